"""The stages of the solution in order, each one thing done through the public interface."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from botocore import exceptions

from glasshouse.solutions.credit import (
    cleaning,
    decisions,
    fairness,
    objects,
    report,
    requests,
    tables,
    waiting,
)
from glasshouse.solutions.credit.applicants import Applicant
from glasshouse.solutions.credit.clients import Clients
from glasshouse.solutions.credit.layout import ENDPOINT, PACKAGE_GROUP, Layout
from glasshouse.solutions.credit.progress import Progress

APPROVAL_AUC = 0.70
"""A model below this cross-validated AUC is registered, but not approved."""

_JOB_GOES_ON = frozenset({"InProgress", "Stopping"})
_ENDPOINT_GOES_ON = frozenset({"Creating", "Updating", "SystemUpdating"})


class NotApproved(Exception):
    """The trained model is not good enough to be deployed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What every stage needs."""

    clients: Clients
    layout: Layout
    role_arn: str
    progress: Progress


def store_tables(run: Run, applicants: Iterable[Applicant], *, seed: int) -> None:
    """Puts the three tables and the code into the bucket."""
    objects.ensure_bucket(run.clients, run.layout.bucket)
    built = tables.build(applicants, seed=seed)
    for name, content in built.files().items():
        media_type = "application/jsonlines" if name.startswith("people") else "text/csv"
        objects.put(run.clients, run.layout, f"datasets/{name}", content, media_type=media_type)
    for name, content in objects.scripts("processing").items():
        objects.put(run.clients, run.layout, f"code/processing/{name}", content, media_type="text/plain")
    packed = objects.archive(objects.scripts("training"))
    objects.put(
        run.clients, run.layout, "code/training/sourcedir.tar.gz", packed, media_type="application/gzip"
    )
    share = sum(row["default"] for row in built.credits) / max(len(built.credits), 1)
    run.progress.note(
        f"{len(built.credits)} credits ({100 * share:.1f} % in default), {len(built.people)} people, "
        f"{len(built.contacts)} contacts in {run.layout.uri('datasets')}"
    )


def crawl(run: Run) -> None:
    """Infers the schemas of the tables in a processing job."""
    inputs = {"datasets": run.layout.uri("datasets"), "code": run.layout.uri("code/processing")}
    _process(run, "crawl.py", inputs=inputs, output="schemas", environment={})
    for name in objects.keys(run.clients, run.layout, "schemas"):
        schema = json.loads(run.clients.s3.get_object(Bucket=run.layout.bucket, Key=name)["Body"].read())
        run.progress.note(f"{schema['title']}: {schema['x-format']}, {', '.join(schema['properties'])}")


def transform(run: Run, *, seed: int, train_share: float) -> None:
    """Makes the model's tables out of the bank's, by SQL in a processing job."""
    inputs = {
        "datasets": run.layout.uri("datasets"),
        "schemas": run.layout.uri("schemas"),
        "code": run.layout.uri("code/processing"),
    }
    environment = {"SPLIT_SEED": str(seed), "TRAIN_SHARE": str(train_share)}
    _process(run, "transform.py", inputs=inputs, output="transformed", environment=environment)


def _process(
    run: Run, script: str, *, inputs: Mapping[str, str], output: str, environment: Mapping[str, str]
) -> None:
    body = requests.processing_job(
        run.layout,
        script,
        role_arn=run.role_arn,
        inputs=inputs,
        output=run.layout.uri(output),
        environment=environment,
    )
    name = body["ProcessingJobName"]
    run.clients.sagemaker.create_processing_job(**body)
    waiting.until_done(
        lambda: run.clients.sagemaker.describe_processing_job(ProcessingJobName=name),
        kind="processing job",
        name=name,
        status_key="ProcessingJobStatus",
        done="Completed",
        waiting=_JOB_GOES_ON,
        progress=run.progress,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A trained model: where its artifact lies, and its metrics by name."""

    artifact: str
    metrics: Mapping[str, float]


def train(run: Run, *, model: requests.ModelName) -> Trained:
    """Trains the model in script mode."""
    body = requests.training_job(run.layout, role_arn=run.role_arn, model=model)
    name = body["TrainingJobName"]
    run.clients.sagemaker.create_training_job(**body)
    job = waiting.until_done(
        lambda: run.clients.sagemaker.describe_training_job(TrainingJobName=name),
        kind="training job",
        name=name,
        status_key="TrainingJobStatus",
        done="Completed",
        waiting=_JOB_GOES_ON,
        progress=run.progress,
    )
    metrics = {item["MetricName"]: item["Value"] for item in job.get("FinalMetricDataList", [])}
    run.progress.note(
        ", ".join(f"{name} {metrics[name]:.3f}" for name in requests.METRICS if name in metrics)
    )
    return Trained(artifact=job["ModelArtifacts"]["S3ModelArtifacts"], metrics=metrics)


def register(run: Run, trained: Trained, *, model: requests.ModelName) -> str:
    """Registers the model as a package; the ARN of the package. Raises NotApproved below APPROVAL_AUC."""
    sagemaker = run.clients.sagemaker
    try:
        sagemaker.create_model_package_group(
            ModelPackageGroupName=PACKAGE_GROUP, ModelPackageGroupDescription="Explained credit decisions."
        )
    except exceptions.ClientError as error:
        if "already exists" not in error.response["Error"]["Message"]:
            raise
    auc = trained.metrics.get("train_auc_cv", 0.0)
    metadata = {name: f"{value:.4f}" for name, value in trained.metrics.items()}
    body = requests.model_package(
        model_data_url=trained.artifact,
        approved=auc >= APPROVAL_AUC,
        metadata={**metadata, "model": model, "run": run.layout.run},
    )
    arn = sagemaker.create_model_package(**body)["ModelPackageArn"]
    run.progress.note(f"{arn}, {body['ModelApprovalStatus']}")
    if auc < APPROVAL_AUC:
        raise NotApproved(
            f"the cross-validated AUC is {auc:.3f}, below {APPROVAL_AUC}: {arn} waits for approval"
        )
    return arn


def deploy(run: Run, *, package_arn: str) -> None:
    """Serves the explainer; an endpoint that is there already moves over to the new model.

    An endpoint that has failed cannot move: it is deleted and made anew.
    """
    sagemaker = run.clients.sagemaker
    sagemaker.create_model(**requests.model(run.layout, role_arn=run.role_arn, package_arn=package_arn))
    body = requests.endpoint_config(run.layout)
    sagemaker.create_endpoint_config(**body)
    status = _endpoint_status(run.clients)
    if status == "Failed":
        cleaning.delete_endpoint(run.clients, ENDPOINT)
    if status in {None, "Failed"}:
        sagemaker.create_endpoint(
            EndpointName=ENDPOINT, EndpointConfigName=body["EndpointConfigName"], Tags=body["Tags"]
        )
    else:
        sagemaker.update_endpoint(EndpointName=ENDPOINT, EndpointConfigName=body["EndpointConfigName"])
    waiting.until_done(
        lambda: sagemaker.describe_endpoint(EndpointName=ENDPOINT),
        kind="endpoint",
        name=ENDPOINT,
        status_key="EndpointStatus",
        done="InService",
        waiting=_ENDPOINT_GOES_ON,
        progress=run.progress,
    )


def _endpoint_status(clients: Clients) -> str | None:
    try:
        return clients.sagemaker.describe_endpoint(EndpointName=ENDPOINT)["EndpointStatus"]
    except exceptions.ClientError as error:
        if "Could not find" not in error.response["Error"]["Message"]:
            raise
        return None


def decide(run: Run) -> tuple[decisions.Decision, decisions.Decision]:
    """One applicant's decision with all its reasons, and the deck's counterfactual."""
    rows = objects.json_lines(run.clients, run.layout, "transformed/data_test")
    applicants = objects.json_lines(run.clients, run.layout, "transformed/applicants_test")
    chosen = decisions.choose(rows)
    applicant = applicants[chosen]["person_id"]
    before = _ask(run, rows[chosen], applicant=applicant)
    after = _ask(run, decisions.counterfactual(rows[chosen]), applicant=applicant)
    run.progress.note(f"applicant {applicant}: risk {100 * before.prediction:.1f} %")
    run.progress.note(f"with a checking account in the red: {100 * after.prediction:.1f} %")
    return before, after


def _ask(run: Run, row: Mapping[str, Any], *, applicant: str) -> decisions.Decision:
    body = requests.invocation(json.dumps(row), entities=requests.ENTITIES)
    answer = json.loads(run.clients.runtime.invoke_endpoint(**body)["Body"].read())
    return decisions.read(answer, applicant=applicant)


def explain_all(run: Run) -> list[dict[str, Any]]:
    """The test set's explanations by batch transform, and how the verdicts fall on protected groups."""
    body = requests.transform_job(run.layout)
    name = body["TransformJobName"]
    run.clients.sagemaker.create_transform_job(**body)
    waiting.until_done(
        lambda: run.clients.sagemaker.describe_transform_job(TransformJobName=name),
        kind="transform job",
        name=name,
        status_key="TransformJobStatus",
        done="Completed",
        waiting=_JOB_GOES_ON,
        progress=run.progress,
    )
    answers = objects.json_lines(run.clients, run.layout, "explanations")
    applicants = objects.json_lines(run.clients, run.layout, "transformed/applicants_test")
    checked = [
        decisions.read(answer, applicant=applicant["person_id"])
        for answer, applicant in zip(answers, applicants, strict=True)
    ]
    run.progress.note(f"{len(checked)} explanations, each adds up to its prediction")
    labels = objects.json_lines(run.clients, run.layout, "transformed/label_test")
    found = fairness.shares(
        objects.json_lines(run.clients, run.layout, "transformed/protected_test"),
        predictions=[decision.prediction for decision in checked],
        defaults=[bool(row["credit__default"]) for row in labels],
        cut_off=checked[0].by_feature.baseline,
    )
    for line in fairness.in_words(found):
        run.progress.note(line)
    return answers


def publish(
    run: Run,
    before: decisions.Decision,
    after: decisions.Decision,
    answers: list[dict[str, Any]],
    *,
    facts: Mapping[str, str],
    copy: Path | None,
) -> str:
    """Stores the report, and a copy in a file if asked; the address of the report."""
    page = report.html(before, after, answers, facts=facts).encode("utf-8")
    path = f"reports/{before.applicant}.html"
    objects.put(run.clients, run.layout, path, page, media_type="text/html; charset=utf-8")
    if copy is not None:
        copy.write_bytes(page)
    run.progress.note(f"{run.layout.uri(path)} ({len(page) / 1024:.0f} KiB)")
    return objects.url(run.clients, run.layout, path)
