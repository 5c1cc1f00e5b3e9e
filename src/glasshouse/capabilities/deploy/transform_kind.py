"""The batch transform job as data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from glasshouse.capabilities.deploy import containers, explaining, kinds
from glasshouse.kernel import errors, verbs
from glasshouse.kernel.context import Context
from glasshouse.kernel.jobs import instances, requests
from glasshouse.kernel.kinds import IN_USE, JOB_STATES, MISSING_JOB, Doc, Kind
from glasshouse.kernel.unsupported import Unsupported, refuse
from glasskit.container.batch import formats, paths

MAX_PAYLOAD_TOTAL_MB = 100
LONGEST_PATH = 63

REFUSED = (
    Unsupported(path="TransformInput.CompressionType", accepts=("None", "Gzip")),
    Unsupported(path="TransformInput.SplitType", accepts=("None", "Line", "RecordIO")),
    Unsupported(
        path="TransformInput.DataSource.S3DataSource.S3DataType", accepts=("S3Prefix", "ManifestFile")
    ),
    Unsupported(path="TransformOutput.KmsKeyId", accepts=("",)),
    Unsupported(path="TransformResources.VolumeKmsKeyId", accepts=("",)),
    Unsupported(path="TransformResources.TransformAmiVersion"),
    Unsupported(path="DataCaptureConfig"),
    Unsupported(path="ExperimentConfig", accepts=({},)),
)


def _fill(doc: Doc, context: Context) -> Doc:
    """Defaults and checks at creation. Raises errors.Validation for what cannot be carried out."""
    refuse(doc, REFUSED)
    model = verbs.find(kinds.MODEL, doc["ModelName"], context)
    source = doc["TransformInput"]["DataSource"]["S3DataSource"]
    requests.check_uri(source["S3Uri"], at="TransformInput.DataSource.S3DataSource.S3Uri")
    requests.check_uri(doc["TransformOutput"]["S3OutputPath"], at="TransformOutput.S3OutputPath")
    instances.limits_of(doc["TransformResources"]["InstanceType"], time_s=None)
    _check_processing(doc)
    hosted = containers.hosted(model.doc, context)
    explaining.check_transform(doc, {**hosted["container"]["Environment"], **doc.get("Environment", {})})
    return {
        "TransformInput": {"CompressionType": "None", "SplitType": "None", **doc["TransformInput"]},
        "TransformOutput": {"AssembleWith": "None", "KmsKeyId": "", **doc["TransformOutput"]},
        "DataProcessing": {
            "InputFilter": "$",
            "OutputFilter": "$",
            "JoinSource": "None",
            **doc.get("DataProcessing", {}),
        },
        "Environment": doc.get("Environment", {}),
        "_model": hosted,
    }


def _check_processing(doc: Doc) -> None:
    """A filter or a join needs records: one in, one out."""
    processing = doc.get("DataProcessing", {})
    for member in ("InputFilter", "OutputFilter"):
        _check_path(member, processing.get(member, "$"))
    path = paths.parse(processing.get("InputFilter", "$"))
    if path.names_members and formats.format_of(doc["TransformInput"].get("ContentType", "")) == "csv":
        raise errors.Validation(
            f"DataProcessing.InputFilter {path.text!r} names members, and CSV records have columns only; use "
            "numbers such as $[0,2] or $[1:]."
        )
    joins = processing.get("JoinSource", "None") != "None"
    split = doc["TransformInput"].get("SplitType", "None")
    if joins and split not in ("None", "Line"):
        raise errors.Validation("DataProcessing.JoinSource needs TransformInput.SplitType None or Line.")
    if joins and split != doc["TransformOutput"].get("AssembleWith", "None"):
        raise errors.Validation(
            "With DataProcessing.JoinSource, SplitType and AssembleWith must be the same."
        )
    concurrent, payload = doc.get("MaxConcurrentTransforms", 1), doc.get("MaxPayloadInMB", 6)
    if max(1, concurrent) * payload > MAX_PAYLOAD_TOTAL_MB:
        raise errors.Validation("MaxConcurrentTransforms times MaxPayloadInMB must not be above 100.")


def _check_path(member: str, text: str) -> None:
    if len(text) > LONGEST_PATH:
        raise errors.Validation(f"DataProcessing.{member} must have at most {LONGEST_PATH} characters.")
    try:
        paths.parse(text)
    except paths.BadPath as error:
        raise errors.Validation(
            f"DataProcessing.{member} is not a JSONPath that is known here: {error}."
        ) from error


def _uses(doc: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    yield doc["ModelName"], "ContributedTo"
    yield doc["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"], "ContributedTo"


TRANSFORM_JOB = Kind(
    noun="TransformJob",
    states=JOB_STATES,
    stopping="Stopping",
    missing=MISSING_JOB,
    exists=IN_USE,
    fill=_fill,
    uses=_uses,
)
