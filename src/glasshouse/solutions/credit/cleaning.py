"""Takes away what runs of the solution left: what runs first, so that nothing keeps running."""

from __future__ import annotations

import time
from typing import Any

from botocore import exceptions

from glasshouse.solutions.credit.clients import Clients
from glasshouse.solutions.credit.layout import PACKAGE_GROUP, PREFIX
from glasshouse.solutions.credit.progress import Progress
from glasshouse.solutions.credit.waiting import DEADLINE_S, INTERVAL_S, StageFailed

_JOBS = (
    ("list_processing_jobs", "ProcessingJobSummaries", "ProcessingJobName", "stop_processing_job"),
    ("list_training_jobs", "TrainingJobSummaries", "TrainingJobName", "stop_training_job"),
    ("list_transform_jobs", "TransformJobSummaries", "TransformJobName", "stop_transform_job"),
)
_REST = (
    ("list_endpoint_configs", "EndpointConfigs", "EndpointConfigName", "delete_endpoint_config"),
    ("list_models", "Models", "ModelName", "delete_model"),
)
_GONE = ("Could not find", "does not exist", "not found")
_NO_BUCKET = {"NoSuchBucket", "404"}


def stop_jobs(clients: Clients, progress: Progress) -> None:
    """Stops the solution's jobs that are still running."""
    for listing, items, key, stop in _JOBS:
        for name in _names(clients, listing, items, key, StatusEquals="InProgress"):
            getattr(clients.sagemaker, stop)(**{key: name})
            progress.note(f"stopping {name}")


def delete_endpoints(clients: Clients, progress: Progress) -> None:
    """Deletes the solution's endpoints and waits until they are gone, then what they were made of."""
    for name in _names(clients, "list_endpoints", "Endpoints", "EndpointName"):
        delete_endpoint(clients, name)
        progress.note(f"deleted {name}")
    for listing, items, key, delete in _REST:
        for name in _names(clients, listing, items, key):
            getattr(clients.sagemaker, delete)(**{key: name})
            progress.note(f"deleted {name}")


def delete_packages(clients: Clients, progress: Progress) -> None:
    """Deletes the registered models and their group."""
    sagemaker = clients.sagemaker
    try:
        pages = sagemaker.get_paginator("list_model_packages").paginate(ModelPackageGroupName=PACKAGE_GROUP)
        arns = [item["ModelPackageArn"] for page in pages for item in page["ModelPackageSummaryList"]]
        for arn in arns:
            sagemaker.delete_model_package(ModelPackageName=arn)
            progress.note(f"deleted {arn}")
        sagemaker.delete_model_package_group(ModelPackageGroupName=PACKAGE_GROUP)
        progress.note(f"deleted the model package group {PACKAGE_GROUP}")
    except exceptions.ClientError as error:
        if not _is_gone(error):
            raise


def delete_objects(clients: Clients, bucket: str, progress: Progress) -> None:
    """Deletes the runs' objects and their bucket."""
    n_deleted = 0
    try:
        pages = clients.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
        for start in range(0, len(keys), 1000):
            batch: Any = {"Objects": [{"Key": key} for key in keys[start : start + 1000]], "Quiet": True}
            clients.s3.delete_objects(Bucket=bucket, Delete=batch)
        n_deleted = len(keys)
        clients.s3.delete_bucket(Bucket=bucket)
    except exceptions.ClientError as error:
        if error.response["Error"]["Code"] not in _NO_BUCKET:
            raise
    progress.note(f"deleted {n_deleted} objects of {bucket}")


def _names(clients: Clients, listing: str, items: str, key: str, **filters: str) -> list[str]:
    client: Any = clients.sagemaker
    pages = client.get_paginator(listing).paginate(NameContains=PREFIX, **filters)
    return [item[key] for page in pages for item in page[items] if item[key].startswith(PREFIX)]


def delete_endpoint(clients: Clients, name: str) -> None:
    """Deletes an endpoint and waits until it is gone."""
    clients.sagemaker.delete_endpoint(EndpointName=name)
    deadline = time.monotonic() + DEADLINE_S
    while True:
        try:
            status = clients.sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"]
        except exceptions.ClientError as error:
            if not _is_gone(error):
                raise
            return
        if time.monotonic() > deadline:
            raise StageFailed(kind="endpoint", name=name, status=status, reason="it does not go away")
        time.sleep(INTERVAL_S)


def _is_gone(error: exceptions.ClientError) -> bool:
    return any(text in error.response["Error"]["Message"] for text in _GONE)
