"""The stages after the model is served: decide everybody, decide one, assess bias, write letter and report."""

from __future__ import annotations

import collections
import datetime
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glasshouse.solutions.credit import decisions, objects, people, report, requests, stages, tables, waiting
from glasshouse.solutions.credit.training import deciding
from glasskit.explain import letters, outcomes, policies

SMALLEST_GROUP = 20
"""A group of fewer people gets no metric of bias."""
OTHERS = 12
"""How many other applications the endpoint decides."""
DECISION_ID = "x-glasshouse-decision-id"
"""The header of an answer with what the ledger calls its decision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The test set, explained and decided: the answers as they came, and the same read and checked."""

    answers: Sequence[Mapping[str, Any]]
    decided: Sequence[decisions.Decision]


def explain_all(run: stages.Run) -> Batch:
    """The test set's explanations and decisions by batch transform, each checked."""
    body = requests.transform_job(run.layout)
    name = body["TransformJobName"]
    run.clients.sagemaker.create_transform_job(**body)
    waiting.until_done(
        lambda: run.clients.sagemaker.describe_transform_job(TransformJobName=name),
        kind="transform job",
        name=name,
        status_key="TransformJobStatus",
        done="Completed",
        waiting=stages.JOB_GOES_ON,
        progress=run.progress,
    )
    answers = objects.json_lines(run.clients, run.layout, "explanations")
    applicants = objects.json_lines(run.clients, run.layout, "transformed/applicants_test")
    decided = [
        decisions.read(answer, applicant=applicant["person_id"])
        for answer, applicant in zip(answers, applicants, strict=True)
    ]
    run.progress.note(f"{len(decided)} explanations, each adds up to its prediction")
    run.progress.note(counted(decided))
    return Batch(answers=answers, decided=decided)


def counted(decided: Sequence[decisions.Decision]) -> str:
    """How many were approved, declined and left to a person."""
    found = collections.Counter(decision.verdict for decision in decided)
    return ", ".join(f"{found[name]} {name}" for name in ("approved", "declined", "left to a person"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """An application decided, the same in the deck's what-if, and the ids of all decisions that the endpoint recorded."""

    before: decisions.Decision
    after: decisions.Decision
    ids: Sequence[str]


def decide(run: stages.Run, batch: Batch) -> Decided:
    """One application decided by the endpoint with reasons and recourse, and the deck's counterfactual.

    Some others are decided before it, as a bank would. Each way out of a decline is put to the endpoint again. Raises
    decisions.Contradicted if it does not hold there.
    """
    teller = _Teller(run)
    for one in batch.decided[:OTHERS]:
        teller.answer(one.data, requests.BATCH_ENTITIES, applicant=one.applicant)
    chosen = batch.decided[decisions.choose(batch.decided)]
    before = teller.ask(chosen.data, applicant=chosen.applicant)
    run.progress.note(f"applicant {chosen.applicant}: risk {100 * before.prediction:.1f} %, {before.verdict}")
    run.progress.note(f"recorded as decision {before.decision_id}")
    for option in before.options:
        answer, _ = teller.answer(option["application"], requests.OUTCOME, applicant=chosen.applicant)
        decisions.require_turned(option, answer)
    if isinstance(before.outcome, outcomes.Declined):
        run.progress.note(f"{len(before.options)} ways to an approval, each confirmed by the endpoint")
    after = teller.ask(decisions.counterfactual(chosen.data), applicant=chosen.applicant)
    run.progress.note(
        f"with a checking account in the red: risk {100 * after.prediction:.1f} %, {after.verdict}"
    )
    run.progress.note(f"{len(teller.ids)} decisions asked of the endpoint, each recorded before its answer")
    return Decided(before=before, after=after, ids=teller.ids)


class _Teller:
    """Puts applications to the endpoint and keeps the ids of the decisions."""

    def __init__(self, run: stages.Run) -> None:
        self._run = run
        self.ids: list[str] = []

    def ask(self, application: Mapping[str, Any], *, applicant: str) -> decisions.Decision:
        answer, decision_id = self.answer(application, requests.ENTITIES, applicant=applicant)
        return decisions.read(answer, applicant=applicant, decision_id=decision_id)

    def answer(
        self, application: Mapping[str, Any], entities: tuple[str, ...], *, applicant: str
    ) -> tuple[Mapping[str, Any], str]:
        body = requests.invocation(
            json.dumps(application),
            entities=entities,
            applicant=applicant,
            reference=f"{self._run.layout.run}-{len(self.ids) + 1}",
        )
        response = self._run.clients.runtime.invoke_endpoint(**body)
        self.ids.append(response["ResponseMetadata"]["HTTPHeaders"][DECISION_ID])
        answer: dict[str, Any] = json.loads(response["Body"].read())
        return answer, self.ids[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bias:
    """What the job that assesses bias wrote: the summary, and the address of its report."""

    summary: Mapping[str, Any]
    url: str


def assess(run: stages.Run) -> Bias:
    """The bias of labels and decisions, by the attributes that the model never saw."""
    inputs = {
        "transformed": run.layout.uri("transformed"),
        "explanations": run.layout.uri("explanations"),
        "code": run.layout.uri("code/processing"),
    }
    environment = {"MINIMUM_ROWS": str(SMALLEST_GROUP)}
    stages.process(run, "assess.py", inputs=inputs, output="bias", environment=environment)
    summary = json.loads(objects.text(run.clients, run.layout, "bias/summary.json"))
    run.progress.note(summary["worst"])
    run.progress.note(summary["chance"])
    for group in summary["groups"]:
        run.progress.note(_fares(group))
    return Bias(summary=summary, url=objects.url(run.clients, run.layout, "bias/report.html"))


def _fares(group: Mapping[str, Any]) -> str:
    if group["refused"]:
        return f"{group['title']}: no number, {group['refused']}"
    return (
        f"{group['title']}: {group['approved']:.0%} of {group['n']} approved (others {group['approved_others']:.0%}), "
        f"{group['repaid']:.0%} repaid (others {group['repaid_others']:.0%})"
    )


def write_letter(
    run: stages.Run, decision: decisions.Decision, *, folder: Path, on: datetime.date
) -> letters.Letter | None:
    """The letter that a declined applicant gets, stored as HTML and as text; None if nothing was declined.

    folder: the policies, among them the one that decided.
    """
    if not isinstance(decision.outcome, outcomes.Declined):
        run.progress.note(f"{decision.verdict}: no letter of reasons is owed")
        return None
    person = people.find(
        decision.applicant,
        people=people.rows_of(objects.text(run.clients, run.layout, f"datasets/people/{tables.PART}")),
        contacts=objects.text(run.clients, run.layout, f"datasets/contacts/{tables.PART}"),
    )
    letter = letters.compose(
        decision.outcome,
        policy_of(decision, folder),
        applicant=person.name,
        address=person.address,
        reference=decision.applicant,
        on=on,
        could_help=[option["sentence"] for option in decision.options],
    )
    for suffix, content, media_type in (
        ("html", letter.html(), "text/html; charset=utf-8"),
        ("txt", letter.text(), "text/plain; charset=utf-8"),
    ):
        path = f"letters/{decision.applicant}.{suffix}"
        objects.put(run.clients, run.layout, path, content.encode("utf-8"), media_type=media_type)
    run.progress.note(f"letter to {person.name}: {run.layout.uri(f'letters/{decision.applicant}.txt')}")
    return letter


def policy_of(decision: decisions.Decision, folder: Path) -> policies.Policy:
    """The policy that decided, by its digest. Raises LookupError."""
    digest = decision.outcome.measure.policy_digest
    for policy in deciding.read_policies(folder):
        if policy.digest == digest:
            return policy
    raise LookupError(f"{folder} has no policy with the digest {digest}")


def publish(run: stages.Run, content: report.Content, *, copy: Path | None) -> str:
    """Stores the report, and a copy in a file if asked; the address of the report."""
    page = report.html(content).encode("utf-8")
    path = f"reports/{content.before.applicant}.html"
    objects.put(run.clients, run.layout, path, page, media_type="text/html; charset=utf-8")
    if copy is not None:
        copy.write_bytes(page)
    run.progress.note(f"report: {run.layout.uri(path)} ({len(page) / 1024:.0f} KiB)")
    return objects.url(run.clients, run.layout, path)
