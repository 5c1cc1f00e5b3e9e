"""The training job as data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from glasshouse.kernel import errors, kinds
from glasshouse.kernel.context import Context
from glasshouse.kernel.jobs import instances, metrics, requests
from glasshouse.kernel.kinds import IN_USE, JOB_STATES, MISSING_JOB, Doc, Kind
from glasshouse.kernel.ports import Runtime
from glasshouse.kernel.records import Condition, Record
from glasshouse.kernel.unsupported import Unsupported, refuse

DAY_S = 86400
TAKEN = (
    *(f"/opt/ml/{name}" for name in ("input", "model", "output", "code", "packages")),
    *("/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc", "/proc", "/dev", "/sys", "/run", "/root", "/home"),
)
"""Where checkpoints may not be: the folders of the container contract and those of the system."""

REFUSED = (
    Unsupported(path="AlgorithmSpecification.AlgorithmName"),
    Unsupported(path="AlgorithmSpecification.TrainingImageConfig"),
    Unsupported(path="AlgorithmSpecification.TrainingInputMode", accepts=("File", "FastFile")),
    Unsupported(path="InputDataConfig[].InputMode", accepts=("File", "FastFile")),
    Unsupported(path="InputDataConfig[].CompressionType", accepts=("None",)),
    Unsupported(path="InputDataConfig[].RecordWrapperType", accepts=("None",)),
    Unsupported(path="InputDataConfig[].ShuffleConfig"),
    *requests.unsupported_sources("InputDataConfig[].DataSource"),
    Unsupported(path="OutputDataConfig.KmsKeyId", accepts=("",)),
    Unsupported(path="ResourceConfig.VolumeKmsKeyId", accepts=("",)),
    Unsupported(path="ResourceConfig.KeepAlivePeriodInSeconds", accepts=(0,)),
    Unsupported(path="ResourceConfig.InstanceGroups", accepts=([],)),
    Unsupported(path="ResourceConfig.TrainingPlanArn"),
    Unsupported(path="ResourceConfig.InstancePlacementConfig"),
    Unsupported(path="ResourceConfig.InstancePreferences", accepts=([],)),
    Unsupported(path="VpcConfig"),
    Unsupported(path="EnableInterContainerTrafficEncryption", accepts=(False,)),
    Unsupported(path="DebugHookConfig.CollectionConfigurations", accepts=([],)),
    Unsupported(path="DebugHookConfig.HookParameters", accepts=({},)),
    Unsupported(path="DebugRuleConfigurations", accepts=([],)),
    Unsupported(path="ProfilerConfig.ProfilingParameters", accepts=({},)),
    Unsupported(path="ProfilerRuleConfigurations", accepts=([],)),
    Unsupported(path="TensorBoardOutputConfig"),
    Unsupported(path="ExperimentConfig", accepts=({},)),
    Unsupported(path="RemoteDebugConfig.EnableRemoteDebug", accepts=(False,)),
    Unsupported(path="InfraCheckConfig.EnableInfraCheck", accepts=(False,)),
    Unsupported(path="SessionChainingConfig.EnableSessionTagChaining", accepts=(False,)),
    Unsupported(path="ServerlessJobConfig"),
    Unsupported(path="MlflowConfig"),
    Unsupported(path="ModelPackageConfig"),
)


def _fill(doc: Doc, context: Context) -> Doc:
    """Defaults and checks at creation. Raises errors.Validation for what cannot be carried out."""
    refuse(doc, REFUSED)
    needed = ("AlgorithmSpecification", "RoleArn", "OutputDataConfig", "ResourceConfig", "StoppingCondition")
    requests.must_have(doc, [name for name in needed if name != "StoppingCondition"])
    algorithm = doc["AlgorithmSpecification"]
    requests.must_have(algorithm, ["TrainingImage"], at="AlgorithmSpecification")
    runtime = context.ports.images.resolve(algorithm["TrainingImage"])
    if "training" not in runtime.purposes:
        raise errors.Validation(f"The image {algorithm['TrainingImage']} is not a training image.")
    metrics.check(algorithm.get("MetricDefinitions", []))
    requests.check_role(doc["RoleArn"], context)
    requests.check_channels(doc.get("InputDataConfig", []))
    _check_checkpoints(doc.get("CheckpointConfig", {}))
    return {
        "AlgorithmSpecification": {**algorithm, "MetricDefinitions": _metrics(algorithm, runtime)},
        "HyperParameters": doc.get("HyperParameters", {}),
        "InputDataConfig": doc.get("InputDataConfig", []),
        "OutputDataConfig": _output(doc["OutputDataConfig"]),
        "ResourceConfig": _resources(doc["ResourceConfig"]),
        "StoppingCondition": {"MaxRuntimeInSeconds": DAY_S, **doc.get("StoppingCondition", {})},
        "EnableNetworkIsolation": doc.get("EnableNetworkIsolation", False),
        "EnableInterContainerTrafficEncryption": False,
        "EnableManagedSpotTraining": doc.get("EnableManagedSpotTraining", False),
        "ProfilingStatus": "Disabled",
        "SecondaryStatus": "Starting",
        "SecondaryStatusTransitions": [
            {
                "Status": "Starting",
                "StartTime": context.ports.clock.now(),
                "StatusMessage": "Starting the training job",
            }
        ],
    }


def _metrics(algorithm: Doc, runtime: Runtime) -> list[Mapping[str, str]]:
    """The request's definitions, and those that a built-in algorithm brings along.

    SDK v2 analytics.TrainingJobAnalytics reads AlgorithmSpecification.MetricDefinitions without asking.
    """
    own = [{"Name": name, "Regex": pattern} for name, pattern in runtime.metrics.items()]
    asked = algorithm.get("MetricDefinitions", [])
    names = {definition["Name"] for definition in asked}
    return [*asked, *(definition for definition in own if definition["Name"] not in names)]


def _check_checkpoints(config: Doc) -> None:
    """LocalPath is a folder of the job's own: not one of the system's, nor one that means something else."""
    if not config:
        return
    requests.check_uri(config["S3Uri"], at="CheckpointConfig.S3Uri")
    local = config.get("LocalPath", "/opt/ml/checkpoints").rstrip("/")
    path = PurePosixPath(local)
    plain = str(path) == local and path.is_absolute() and ".." not in path.parts
    taken = any(path.is_relative_to(place) or PurePosixPath(place).is_relative_to(path) for place in TAKEN)
    if not plain or taken:
        raise errors.Validation(
            f"CheckpointConfig.LocalPath {local!r} must be a folder of its own such as /opt/ml/checkpoints; "
            f"these are not: {', '.join(TAKEN)}."
        )


def _output(given: Doc) -> Doc:
    requests.check_uri(given["S3OutputPath"], at="OutputDataConfig.S3OutputPath")
    return {"KmsKeyId": "", "CompressionType": "GZIP", **given}


def _resources(given: Doc) -> Doc:
    requests.must_have(given, ["InstanceType"], at="ResourceConfig")
    instances.limits_of(given["InstanceType"], time_s=None)
    return {"InstanceCount": 1, "VolumeSizeInGB": 30, **given}


def _uses(doc: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for channel in doc["InputDataConfig"]:
        yield channel["DataSource"]["S3DataSource"]["S3Uri"], "ContributedTo"
    yield doc["AlgorithmSpecification"]["TrainingImage"], "ContributedTo"


def _view(record: Record, _context: Context) -> Doc:
    """What clients read without asking whether it is there."""
    shown = {
        "ModelArtifacts": record.doc.get("ModelArtifacts", {"S3ModelArtifacts": ""}),
        "FinalMetricDataList": record.doc.get("FinalMetricDataList", []),
    }
    if record.status == JOB_STATES.failed:
        shown["SecondaryStatus"] = record.status  # also when its last move could not be written as planned
    return shown


def _may_delete(record: Record, _context: Context) -> None:
    if not JOB_STATES.is_final(record.status):
        raise errors.Conflict(
            f"The training job {record.key.name} is in status {record.status}; stop it before deleting it."
        )


TRAINING_JOB = Kind(
    noun="TrainingJob",
    states=JOB_STATES,
    stopping="Stopping",
    missing=kinds.Sentence(
        code=MISSING_JOB.code,
        text="Requested resource not found.",
        source="SDK v2 matches 'Requested resource not found'",
    ),
    exists=IN_USE,
    fill=_fill,
    uses=_uses,
    view=_view,
    may_delete=_may_delete,
    filters={
        "WarmPoolStatusEquals": lambda value: Condition(
            field="WarmPoolStatus.Status", operator="=", value=value, in_doc=True
        ),
        "TrainingPlanArnEquals": lambda value: Condition(
            field="ResourceConfig.TrainingPlanArn", operator="=", value=value, in_doc=True
        ),
    },
)
