"""A model's container: what it runs, with which files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from glasshouse.kernel import errors, objects
from glasshouse.kernel.context import Context
from glasshouse.kernel.jobs import requests
from glasshouse.kernel.unsupported import Unsupported

Container = Mapping[str, Any]

MISSING_DATA = "Could not find model data at {uri}."
"""The text of CreateModel's ValidationException, as users report it (aws-step-functions-data-science-sdk-python, 61)."""


def refused(at: str) -> tuple[Unsupported, ...]:
    """What a container definition may not ask for."""
    return (
        Unsupported(path=f"{at}.Mode", accepts=("SingleModel",)),
        Unsupported(path=f"{at}.ImageConfig.RepositoryAccessMode", accepts=("Platform",)),
        Unsupported(path=f"{at}.ImageConfig.RepositoryAuthConfig"),
        Unsupported(path=f"{at}.AdditionalModelDataSources", accepts=([],)),
        Unsupported(path=f"{at}.MultiModelConfig"),
        Unsupported(path=f"{at}.InferenceSpecificationName"),
        Unsupported(path=f"{at}.ContainerMetricsConfig"),
        Unsupported(path=f"{at}.ModelDataSource.S3DataSource.ModelAccessConfig"),
        Unsupported(path=f"{at}.ModelDataSource.S3DataSource.HubAccessConfig"),
        Unsupported(path=f"{at}.ModelDataSource.S3DataSource.ManifestS3Uri"),
    )


def resolve(container: Container, context: Context) -> dict[str, Any]:
    """The container with its model package looked up: Image, Environment and where the model lies.

    Raises errors.Validation for an unknown image or package, and for a package that is not approved.
    """
    found = dict(container)
    if "ModelPackageName" in container:
        package = _of_package(container["ModelPackageName"], context)
        variables = {**package.get("Environment", {}), **container.get("Environment", {})}
        found = {**package, "Environment": variables}
    requests.must_have(found, ["Image"], at="The container")
    runtime = context.ports.images.resolve(found["Image"])
    if "inference" not in runtime.purposes:
        raise errors.Validation(f"The image {found['Image']} is not an inference image.")
    for uri in (found.get("ModelDataUrl"), _source(found).get("S3Uri")):
        if uri:
            requests.check_uri(uri, at="The model's address")
    return {
        "Image": found["Image"],
        "Environment": dict(found.get("Environment", {})),
        "ModelData": _model_data(found),
    }


def find_data(container: Container, context: Context) -> None:
    """Looks for the model data of a resolved container, as CreateModel does. Raises errors.Validation."""
    data = container["ModelData"]
    if not data:
        return
    service = context.ports.objects
    place = objects.Place.of_uri(context.caller.account, data["uri"])
    try:
        if data["form"] != "folder":
            service.head(place)
            return
        is_there = next(iter(service.every(place)), None) is not None
    except errors.WireError:
        is_there = False
    if not is_there:
        raise errors.Validation(MISSING_DATA.format(uri=data["uri"]))


def hosted(model: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """A model as it is run: its container resolved, its role ("" for none), and whether it is isolated."""
    given = [model["PrimaryContainer"]] if "PrimaryContainer" in model else model["Containers"]
    return {
        "container": resolve(given[0], context),
        "role": model.get("ExecutionRoleArn", ""),
        "isolated": model.get("EnableNetworkIsolation", False),
    }


def _of_package(name: str, context: Context) -> Container:
    package = context.call("DescribeModelPackage", {"ModelPackageName": name})
    approval = package.get("ModelApprovalStatus", "Approved")
    if approval != "Approved":
        raise errors.Validation(
            f"Model package {name} is {approval}; only an approved package can become a model. "
            "Approve it with UpdateModelPackage."
        )
    found: list[Container] = package.get("InferenceSpecification", {}).get("Containers", [])
    if len(found) != 1:
        raise errors.Validation(f"Model package {name} must have one container to be deployed here.")
    return found[0]


def _model_data(container: Container) -> dict[str, str]:
    """{"uri", "form"}: form is "archive" for a tar file, "folder" for a prefix, "file" for one object."""
    if container.get("ModelDataUrl"):
        return {"uri": container["ModelDataUrl"], "form": "archive"}
    source = _source(container)
    if not source:
        return {}
    if source.get("CompressionType", "None") == "Gzip":
        return {"uri": source["S3Uri"], "form": "archive"}
    return {"uri": source["S3Uri"], "form": "file" if source.get("S3DataType") == "S3Object" else "folder"}


def _source(container: Container) -> Mapping[str, Any]:
    source: Mapping[str, Any] = container.get("ModelDataSource", {}).get("S3DataSource", {})
    return source
