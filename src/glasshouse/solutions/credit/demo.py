"""Explained credit decisions from end to end: from raw tables to one decision in words, and its report."""

from __future__ import annotations

import contextlib
import string
import sys
import textwrap
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from botocore import exceptions

from glasshouse.solutions.credit import (
    cleaning,
    decisions,
    people,
    proofs,
    report,
    requests,
    stages,
    statlog,
    synthetic,
    verdicts,
    waiting,
)
from glasshouse.solutions.credit.applicants import Applicant
from glasshouse.solutions.credit.clients import Clients, identify
from glasshouse.solutions.credit.layout import ENDPOINT, Layout, bucket_name
from glasshouse.solutions.credit.progress import WIDTH, Progress
from glasskit.explain import letters, outcomes, policies

N_STAGES = 11
N_CLEANING_STAGES = 3


_FAILURES = (
    exceptions.BotoCoreError,
    exceptions.ClientError,
    stages.NotApproved,
    waiting.StageFailed,
    statlog.BadRow,
    decisions.NotAdditive,
    decisions.Contradicted,
    outcomes.RecordInvalid,
    policies.PolicyInvalid,
    people.UnknownPerson,
    proofs.NotProved,
)


class DemoFailed(RuntimeError):
    """A stage could not be done; the message is its reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a run may choose. Without a source the applicants are invented, the same for the same seed."""

    source: Path | None = None
    n_applicants: int = 1000
    seed: int = 42
    train_share: float = 0.8
    model: requests.ModelName = "better"
    policies: Path = Path(__file__).parent / "policies"
    """The folder of the bank's policies, and of its rules of recourse."""
    report: Path | None = None
    """Where to put a copy of the report, besides the one in the bucket."""
    data: Path | None = None
    """The server's data folder, if it is on this machine: the decisions are verified and taken again from there."""
    run: str | None = None
    """The run's own name, part of all its resources' names; by default the present time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run came to."""

    run: str
    bucket: str
    endpoint: str
    package_arn: str
    metrics: dict[str, float]
    decision: decisions.Decision
    counterfactual: decisions.Decision
    decision_ids: Sequence[str]
    """All decisions that the run's endpoint recorded."""
    proof: proofs.Proof | None
    letter: letters.Letter | None
    bias: verdicts.Bias
    n_explained: int
    url: str
    elapsed_s: float


def run(clients: Clients, options: Options, *, out: TextIO = sys.stdout) -> Outcome:
    """Runs all stages, telling of each on `out`; the endpoint stays up. Raises DemoFailed."""
    with _reasons():
        return _run(clients, options, out)


def _run(clients: Clients, options: Options, out: TextIO) -> Outcome:
    progress = Progress(out, n_stages=N_STAGES)
    progress.say(f"Explained credit decisions on {clients.endpoint_url}")
    identity = identify(clients)
    layout = Layout(
        bucket=bucket_name(account=identity.account, region=clients.region), run=options.run or _now()
    )
    work = stages.Run(clients=clients, layout=layout, role_arn=identity.role_arn, progress=progress)
    trained, package_arn = _served(work, options)
    with progress.stage("Explain and decide the whole test set (batch transform)"):
        batch = verdicts.explain_all(work)
    with progress.stage("Decide applications, one with reasons and recourse, and ask what if"):
        decided = verdicts.decide(work, batch)
        before, after = decided.before, decided.after
    with progress.stage("Assess bias by the protected attributes held out (processing job)"):
        bias = verdicts.assess(work)
    with progress.stage("Write the letter and the report"):
        letter, url = _written(work, batch, decided, bias, options, package_arn=package_arn)
    with progress.stage("Verify the ledger and take its decisions again"):
        proof = proofs.prove(work, decided.ids, shown=before.decision_id, data=options.data)
    outcome = Outcome(
        run=layout.run,
        bucket=layout.bucket,
        endpoint=ENDPOINT,
        package_arn=package_arn,
        metrics=dict(trained.metrics),
        decision=before,
        counterfactual=after,
        decision_ids=decided.ids,
        proof=proof,
        letter=letter,
        bias=bias,
        n_explained=len(batch.answers),
        url=url,
        elapsed_s=progress.elapsed_s,
    )
    _conclude(outcome, progress, copy=options.report)
    return outcome


def _served(work: stages.Run, options: Options) -> tuple[stages.Trained, str]:
    """From the tables to the endpoint: the model, and the ARN of its package."""
    progress = work.progress
    with progress.stage("Generate the bank's tables: credits, people, contacts"):
        stages.store_tables(work, _applicants(options), seed=options.seed, policies=options.policies)
    with progress.stage("Crawl the tables and infer their schemas (processing job)"):
        stages.crawl(work)
    with progress.stage("Transform them with SQL, protected attributes held out (processing job)"):
        stages.transform(work, seed=options.seed, train_share=options.train_share)
    with progress.stage(f"Train LightGBM, the {options.model} model, with cross-validation (training job)"):
        trained = stages.train(work, model=options.model)
    with progress.stage("Register the model package"):
        package_arn = stages.register(work, trained, model=options.model)
    with progress.stage("Deploy the explainer (endpoint)"):
        stages.deploy(work, package_arn=package_arn)
    return trained, package_arn


def _written(
    work: stages.Run,
    batch: verdicts.Batch,
    decided: verdicts.Decided,
    bias: verdicts.Bias,
    options: Options,
    *,
    package_arn: str,
) -> tuple[letters.Letter | None, str]:
    """The letter, and the address of the report."""
    before = decided.before
    letter = verdicts.write_letter(work, before, folder=options.policies, on=before.outcome.measure.on)
    content = report.Content(
        before=before,
        after=decided.after,
        population=batch.answers,
        counted=verdicts.counted(batch.decided),
        policy=verdicts.policy_of(before, options.policies),
        letter=letter,
        bias=bias.summary,
        bias_url=bias.url,
        facts={
            "Model": f"{options.model}, {package_arn}",
            "Data": _provenance(options),
            "Run": work.layout.run,
            "Decision id": f"{before.decision_id}, recorded in the ledger before it was answered",
        },
    )
    return letter, verdicts.publish(work, content, copy=options.report)


def clean(clients: Clients, *, objects: bool = False, out: TextIO = sys.stdout) -> None:
    """Leaves nothing of any run running or registered; with `objects`, nothing stored either.

    The records of jobs that have ended stay, as history does. Raises DemoFailed.
    """
    with _reasons():
        _clean(clients, objects, out)


def _clean(clients: Clients, objects: bool, out: TextIO) -> None:
    progress = Progress(out, n_stages=N_CLEANING_STAGES + objects)
    progress.say(f"Cleaning up credit decisions on {clients.endpoint_url}")
    with progress.stage("Stop jobs"):
        cleaning.stop_jobs(clients, progress)
    with progress.stage("Delete endpoints, their configurations and models"):
        cleaning.delete_endpoints(clients, progress)
    with progress.stage("Delete model packages"):
        cleaning.delete_packages(clients, progress)
    if objects:
        bucket = bucket_name(account=identify(clients).account, region=clients.region)
        with progress.stage("Delete objects"):
            cleaning.delete_objects(clients, bucket, progress)
    progress.say(f"\nNothing of it is running any more ({progress.elapsed_s:.1f} s).")


@contextlib.contextmanager
def _reasons() -> Iterator[None]:
    try:
        yield
    except _FAILURES as error:
        raise DemoFailed(str(error)) from error


def _applicants(options: Options) -> list[Applicant]:
    if options.source is not None:
        return statlog.read(options.source, seed=options.seed)
    return list(synthetic.applicants(options.n_applicants, seed=options.seed))


def _provenance(options: Options) -> str:
    if options.source is not None:
        return f"{options.source.name}: Statlog German credit (UCI), with invented names and contacts"
    return f"{options.n_applicants} invented applicants (seed {options.seed}): synthetic, no real person"


def _conclude(outcome: Outcome, progress: Progress, *, copy: Path | None) -> None:
    progress.say("\n" + "-" * WIDTH)
    for paragraph in _told(outcome):
        progress.say(
            textwrap.fill(paragraph, WIDTH, subsequent_indent="   " if paragraph[1:2] == "." else "")
        )
    progress.say("-" * WIDTH)
    progress.say(f"Endpoint  {outcome.endpoint}")
    progress.say(f"Report    {outcome.url}")
    if copy is not None:
        progress.say(f"Its copy  {copy}")
    progress.say(f"Bias      {outcome.bias.url}")
    progress.say(f"Decision  {outcome.decision.decision_id}")
    if outcome.proof is not None:
        progress.say(f"Verify    {outcome.proof.verify}")
        progress.say(f"Replay    {outcome.proof.replay}")
    progress.say(f"All {N_STAGES} stages in {outcome.elapsed_s:.1f} s.")


def _told(outcome: Outcome) -> Iterator[str]:
    """The decision with its reasons, what would change it, what if, and the worst difference between groups."""
    decision = outcome.decision
    yield decision.in_words()
    yield decision.outcome_in_words()
    if isinstance(decision.outcome, outcomes.Declined):
        yield from (f"{one.rank}. {one.text} ({one.code})." for one in decision.outcome.reasons)
        yield "What would have changed it:" if decision.options else decision.recourse["sentence"]
        yield from (
            f"{letter}. {option['sentence']} Risk then: {100 * option['prediction']:.1f} %."
            for letter, option in zip(string.ascii_lowercase, decision.options, strict=False)
        )
    yield decisions.counterfactual_in_words(decision, outcome.counterfactual)
    yield f"Bias: {outcome.bias.summary['worst']} {outcome.bias.summary['chance']}"
    if outcome.proof is not None:
        yield f"Ledger: {outcome.proof.in_words()}"


def _now() -> str:
    seconds = time.time()
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(seconds))}-{int(seconds * 1000) % 1000:03d}"
