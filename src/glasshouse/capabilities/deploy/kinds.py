"""Models, endpoint configurations and endpoints as data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from glasshouse.capabilities.deploy import containers, explaining, fleets, recording
from glasshouse.kernel import errors, verbs
from glasshouse.kernel.context import Context
from glasshouse.kernel.jobs import instances, requests
from glasshouse.kernel.kinds import Doc, Kind, Machine
from glasshouse.kernel.records import Record
from glasshouse.kernel.unsupported import Unsupported, refuse

REFUSED_OF_MODEL = (
    *containers.refused("PrimaryContainer"),
    *containers.refused("Containers[]"),
    Unsupported(path="VpcConfig"),
    Unsupported(path="InferenceExecutionConfig.Mode", accepts=("Serial",)),
)
REFUSED_OF_CONFIG = (
    *(
        Unsupported(path=f"ProductionVariants[].{member}", accepts=accepts)
        for member, accepts in (
            ("ServerlessConfig", ()),
            ("InstancePools", ([],)),
            ("VariantInstanceProvisionTimeoutInSeconds", ()),
            ("AcceleratorType", ()),
            ("CoreDumpConfig", ()),
            ("EnableSSMAccess", (False,)),
            ("ManagedInstanceScaling", ()),
            ("InferenceAmiVersion", ()),
            ("CapacityReservationConfig", ()),
            ("AcceleratorPartitionLayouts", ([],)),
        )
    ),
    Unsupported(path="DataCaptureConfig.EnableCapture", accepts=(False,)),
    Unsupported(path="AsyncInferenceConfig"),
    Unsupported(path="ShadowProductionVariants", accepts=([],)),
    Unsupported(path="KmsKeyId", accepts=("",)),
    Unsupported(path="VpcConfig"),
    Unsupported(path="MetricsConfig"),
    Unsupported(path="CrossRegionTrafficConfig"),
)
REFUSED_OF_ENDPOINT = (
    Unsupported(
        path="DeploymentConfig.BlueGreenUpdatePolicy.TrafficRoutingConfiguration.Type",
        accepts=("ALL_AT_ONCE",),
    ),
    Unsupported(path="DeploymentConfig.RollingUpdatePolicy"),
    Unsupported(path="DeploymentConfig.AutoRollbackConfiguration.Alarms", accepts=([],)),
)


def _fill_model(doc: Doc, context: Context) -> Doc:
    refuse(doc, REFUSED_OF_MODEL)
    given = [doc["PrimaryContainer"]] if "PrimaryContainer" in doc else doc.get("Containers", [])
    if "PrimaryContainer" in doc and doc.get("Containers"):
        raise errors.Validation("Give either PrimaryContainer or Containers, not both.")
    if len(given) != 1:
        raise errors.Validation(
            "A model needs one container; inference pipelines of several are not supported by this server."
        )
    if "ExecutionRoleArn" in doc:
        requests.check_role(doc["ExecutionRoleArn"], context)
    containers.find_data(containers.resolve(given[0], context), context)
    return {"EnableNetworkIsolation": doc.get("EnableNetworkIsolation", False)}


def _uses_of_model(doc: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for container in [doc["PrimaryContainer"]] if "PrimaryContainer" in doc else doc["Containers"]:
        for member in ("ModelDataUrl", "Image", "ModelPackageName"):
            if member in container:
                yield container[member], "ContributedTo"


def _fill_config(doc: Doc, context: Context) -> Doc:
    refuse(doc, REFUSED_OF_CONFIG)
    explaining.check(doc)
    names = [variant["VariantName"] for variant in doc["ProductionVariants"]]
    if len(set(names)) != len(names):
        raise errors.Validation("The names of ProductionVariants must be unique.")
    return {
        "ProductionVariants": [_filled_variant(variant, context) for variant in doc["ProductionVariants"]]
    }


def _recording(labels: Mapping[str, str], doc: Doc, context: Context) -> Doc:
    models = {}
    for variant in doc["ProductionVariants"]:
        model = verbs.find(MODEL, variant["ModelName"], context)
        with context.ports.store.read() as view:
            models[variant["VariantName"]] = view.tags(model.arn)
    return recording.of_tags(labels, models=models)


def _filled_variant(variant: Doc, context: Context) -> Doc:
    name = f"The variant {variant['VariantName']}"
    requests.must_have(variant, ["ModelName", "InstanceType"], at=name)
    verbs.find(MODEL, variant["ModelName"], context)
    instances.limits_of(variant["InstanceType"], time_s=None)
    filled = {"InitialInstanceCount": 1, "InitialVariantWeight": 1.0, **variant}
    if filled["InitialInstanceCount"] < 1:
        raise errors.Validation(f"{name} needs at least one instance.")
    return filled


def _uses_of_config(doc: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    return ((variant["ModelName"], "ContributedTo") for variant in doc["ProductionVariants"])


def _fill_endpoint(doc: Doc, context: Context) -> Doc:
    refuse(doc, REFUSED_OF_ENDPOINT)
    config = verbs.find(ENDPOINT_CONFIG, doc["EndpointConfigName"], context)
    policy = doc.get("DeploymentConfig")
    return {
        fleets.NEXT: fleets.planned(config.doc, config.key.name, generation=1, context=context),
        **({"LastDeploymentConfig": policy} if policy else {}),
    }


def _uses_of_endpoint(doc: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    yield doc["EndpointConfigName"], "ContributedTo"


def _view_endpoint(record: Record, _context: Context) -> Doc:
    return fleets.shown(record)


MODEL = Kind(noun="Model", fill=_fill_model, uses=_uses_of_model, view=lambda _record, _context: {})

ENDPOINT_CONFIG = Kind(
    noun="EndpointConfig",
    label="endpoint configuration",
    fill=_fill_config,
    tagged=_recording,
    uses=_uses_of_config,
)

ENDPOINT = Kind(
    noun="Endpoint",
    states=Machine(
        first="Creating",
        moves={
            "Creating": frozenset({"InService", "Failed", "Deleting"}),
            "InService": frozenset({"Updating", "Deleting"}),
            "Updating": frozenset({"InService", "RollingBack", "Failed", "Deleting"}),
            "RollingBack": frozenset({"InService", "Deleting"}),
            "Failed": frozenset({"Updating", "Deleting"}),
            "Deleting": frozenset(),
        },
    ),
    deleting="Deleting",
    fill=_fill_endpoint,
    uses=_uses_of_endpoint,
    view=_view_endpoint,
)
