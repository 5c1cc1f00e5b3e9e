"""The stages of the solution in order, each one thing done through the public interface."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from botocore import exceptions

from glasshouse.solutions.credit import cleaning, objects, requests, tables, waiting
from glasshouse.solutions.credit.applicants import Applicant
from glasshouse.solutions.credit.clients import Clients
from glasshouse.solutions.credit.layout import ENDPOINT, PACKAGE_GROUP, Layout
from glasshouse.solutions.credit.progress import Progress

APPROVAL_AUC = 0.70
"""A model below this cross-validated AUC is registered, but not approved."""

JOB_GOES_ON = frozenset({"InProgress", "Stopping"})
"""The states in which a job is waited for."""
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


def store_tables(run: Run, applicants: Iterable[Applicant], *, seed: int, policies: Path) -> None:
    """Puts the three tables, the code and the bank's policies into the bucket."""
    objects.ensure_bucket(run.clients, run.layout.bucket)
    built = tables.build(applicants, seed=seed)
    for name, content in built.files().items():
        media_type = "application/jsonlines" if name.startswith("people") else "text/csv"
        objects.put(run.clients, run.layout, f"datasets/{name}", content, media_type=media_type)
    for name, content in objects.scripts("processing").items():
        objects.put(run.clients, run.layout, f"code/processing/{name}", content, media_type="text/plain")
    for name, content in objects.rules(policies).items():
        objects.put(run.clients, run.layout, f"policies/{name}", content, media_type="text/plain")
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
    process(run, "crawl.py", inputs=inputs, output="schemas", environment={})
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
    process(run, "transform.py", inputs=inputs, output="transformed", environment=environment)


def process(
    run: Run, script: str, *, inputs: Mapping[str, str], output: str, environment: Mapping[str, str]
) -> None:
    """Runs one of the solution's scripts as a processing job, to its end."""
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
        waiting=JOB_GOES_ON,
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
        waiting=JOB_GOES_ON,
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
        sagemaker.create_endpoint(**requests.endpoint(body["EndpointConfigName"]))
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
