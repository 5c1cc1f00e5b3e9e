"""The processing job as data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from glasshouse.kernel import errors
from glasshouse.kernel.context import Context
from glasshouse.kernel.jobs import instances, requests
from glasshouse.kernel.kinds import IN_USE, JOB_STATES, MISSING_JOB, Doc, Kind
from glasshouse.kernel.unsupported import Unsupported, refuse

DAY_S = 86400
LOCAL_ROOT = "/opt/ml/processing/"

REFUSED = (
    Unsupported(path="ProcessingInputs[].AppManaged", accepts=(False,)),
    Unsupported(path="ProcessingInputs[].DatasetDefinition"),
    Unsupported(path="ProcessingInputs[].S3Input.S3InputMode", accepts=("File",)),
    Unsupported(path="ProcessingInputs[].S3Input.S3CompressionType", accepts=("None",)),
    Unsupported(path="ProcessingOutputConfig.Outputs[].AppManaged", accepts=(False,)),
    Unsupported(path="ProcessingOutputConfig.Outputs[].FeatureStoreOutput"),
    Unsupported(path="ProcessingOutputConfig.KmsKeyId", accepts=("",)),
    Unsupported(path="ProcessingResources.ClusterConfig.VolumeKmsKeyId", accepts=("",)),
    Unsupported(path="ProcessingResources.ClusterConfig.InstancePreferences", accepts=([],)),
    Unsupported(path="NetworkConfig.EnableInterContainerTrafficEncryption", accepts=(False,)),
    Unsupported(path="NetworkConfig.VpcConfig"),
    Unsupported(path="ExperimentConfig", accepts=({},)),
)


def _fill(doc: Doc, context: Context) -> Doc:
    """Defaults and checks at creation. Raises errors.Validation for what cannot be carried out."""
    refuse(doc, REFUSED)
    requests.check_role(doc["RoleArn"], context)
    image = doc["AppSpecification"]["ImageUri"]
    runtime = context.ports.images.resolve(image)
    if "processing" not in runtime.purposes:
        raise errors.Validation(f"The image {image} is not a processing image.")
    if "processing" not in runtime.command and not doc["AppSpecification"].get("ContainerEntrypoint"):
        raise errors.Validation(
            f"The image {image} has no entry point; give AppSpecification.ContainerEntrypoint."
        )
    cluster = doc["ProcessingResources"]["ClusterConfig"]
    requests.must_have(cluster, ["InstanceType", "InstanceCount"], at="ProcessingResources.ClusterConfig")
    instances.limits_of(cluster["InstanceType"], time_s=None)
    outputs = doc.get("ProcessingOutputConfig", {"Outputs": []})
    _check_inputs(doc.get("ProcessingInputs", []))
    _check_outputs(outputs["Outputs"])
    return {
        "ProcessingInputs": doc.get("ProcessingInputs", []),
        "ProcessingOutputConfig": outputs,
        "StoppingCondition": doc.get("StoppingCondition", {"MaxRuntimeInSeconds": DAY_S}),
        "Environment": doc.get("Environment", {}),
        "NetworkConfig": {
            "EnableNetworkIsolation": False,
            "EnableInterContainerTrafficEncryption": False,
            **doc.get("NetworkConfig", {}),
        },
    }


def _check_inputs(inputs: Iterable[Mapping[str, Any]]) -> None:
    seen: set[str] = set()
    for one in inputs:
        name = one["InputName"]
        if name in seen:
            raise errors.Validation(f"ProcessingInputs has two inputs named {name}.")
        seen.add(name)
        if "S3Input" not in one:
            raise errors.Validation(f"The input {name} needs an S3Input.")
        requests.check_uri(one["S3Input"]["S3Uri"], at=f"The S3Uri of input {name}")
        requests.must_have(one["S3Input"], ["LocalPath"], at=f"The S3Input of {name}")
        _check_local(one["S3Input"]["LocalPath"], f"input {name}")


def _check_outputs(outputs: Iterable[Mapping[str, Any]]) -> None:
    for one in outputs:
        name = one["OutputName"]
        if "S3Output" not in one:
            raise errors.Validation(f"The output {name} needs an S3Output.")
        requests.check_uri(one["S3Output"]["S3Uri"], at=f"The S3Uri of output {name}")
        requests.must_have(one["S3Output"], ["LocalPath"], at=f"The S3Output of {name}")
        _check_local(one["S3Output"]["LocalPath"], f"output {name}")


def _check_local(path: str, what: str) -> None:
    if not path.startswith(LOCAL_ROOT) or ".." in path.split("/"):
        raise errors.Validation(
            f"The LocalPath of {what} must start with {LOCAL_ROOT} and stay there: {path}"
        )


def _uses(doc: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for one in doc["ProcessingInputs"]:
        yield one["S3Input"]["S3Uri"], "ContributedTo"
    yield doc["AppSpecification"]["ImageUri"], "ContributedTo"


PROCESSING_JOB = Kind(
    noun="ProcessingJob",
    states=JOB_STATES,
    stopping="Stopping",
    missing=MISSING_JOB,
    exists=IN_USE,
    fill=_fill,
    uses=_uses,
)
