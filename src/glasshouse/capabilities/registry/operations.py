"""The operations of the registry that are not regular: versions, approval, lookup by ARN."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from glasshouse.capabilities.registry.kinds import GROUP_MEMBER, MODEL_PACKAGE, MODEL_PACKAGE_GROUP, TYPE
from glasshouse.kernel import changes, errors, events, tags, verbs
from glasshouse.kernel.changes import Change
from glasshouse.kernel.context import Context
from glasshouse.kernel.ids import Arn
from glasshouse.kernel.operations import operation
from glasshouse.kernel.records import Record, Transaction
from glasshouse.kernel.unsupported import Unsupported, refuse

Request = Mapping[str, Any]
Answer = dict[str, Any]

TOKENS = "_tokens"
LAST = "_last_version"
TOKENS_KEPT = 100

REFUSED = (
    Unsupported(path="ValidationSpecification"),
    Unsupported(path="SourceAlgorithmSpecification"),
    Unsupported(path="CertifyForMarketplace", accepts=(False,)),
    Unsupported(path="SecurityConfig"),
    Unsupported(path="ManagedStorageType"),
)
CHANGEABLE = (
    "ModelApprovalStatus",
    "ModelPackageRegistrationType",
    "ApprovalDescription",
    "InferenceSpecification",
    "SourceUri",
    "ModelCard",
    "ModelLifeCycle",
)


@operation("CreateModelPackage")
def create_model_package(request: Request, context: Context) -> Answer:
    """The next version of a group, or a package of its own name."""
    refuse(request, REFUSED)
    body = dict(request)
    labels = tags.as_dict(body.pop("Tags", []))
    token = body.pop("ClientToken", "")
    group, name = body.pop(GROUP_MEMBER, ""), body.pop("ModelPackageName", "")
    if bool(group) == bool(name):
        raise errors.Validation("Give either ModelPackageName or ModelPackageGroupName.")
    _check_containers(body, context)
    doc = {
        "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
        "CertifyForMarketplace": False,
        "CreatedBy": _by(context),
        **body,
    }
    with context.ports.store.write() as tx:
        if group:
            return {
                "ModelPackageArn": _add_version(tx, group.rsplit("/", 1)[-1], doc, labels, token, context)
            }
        alone = {**doc, "ModelPackageName": name, TYPE: "Unversioned"}
        return {"ModelPackageArn": _insert(tx, name, alone, labels, context)}


@operation("ListModelPackages")
def list_model_packages(request: Request, context: Context) -> Answer:
    """Packages; those of one group, or those without a group unless ModelPackageType asks for more."""
    asked = dict(request)
    if GROUP_MEMBER not in asked:
        asked.setdefault("ModelPackageType", "Unversioned")
    page = verbs.list_(MODEL_PACKAGE, asked, context, member="ModelPackageSummaryList")
    page["ModelPackageSummaryList"] = [_summary(one) for one in page["ModelPackageSummaryList"]]
    return page


@operation("UpdateModelPackage")
def update_model_package(request: Request, context: Context) -> Answer:
    """Approval, metadata and further inference specifications."""
    _check_containers(request, context)
    record = changes.change(
        MODEL_PACKAGE,
        request["ModelPackageArn"],
        context,
        lambda record: Change(patch=_updated(record, request, context)),
    )
    return {"ModelPackageArn": record.arn}


def _updated(record: Record, request: Request, context: Context) -> Answer:
    """The members that an update changes."""
    properties = {
        **record.doc.get("CustomerMetadataProperties", {}),
        **request.get("CustomerMetadataProperties", {}),
    }
    for key in request.get("CustomerMetadataPropertiesToRemove", []):
        properties.pop(key, None)
    return {
        **{member: request[member] for member in CHANGEABLE if member in request},
        "CustomerMetadataProperties": properties,
        "AdditionalInferenceSpecifications": [
            *record.doc.get("AdditionalInferenceSpecifications", []),
            *request.get("AdditionalInferenceSpecificationsToAdd", []),
        ],
        "LastModifiedBy": _by(context),
    }


def _add_version(
    tx: Transaction, group: str, doc: Answer, labels: Mapping[str, str], token: str, context: Context
) -> Arn:
    """Numbers are given once: a deleted version's number does not come back."""
    record = tx.find(context.key(MODEL_PACKAGE_GROUP.noun, group))
    if record is None:
        raise MODEL_PACKAGE_GROUP.not_found(group, verbs.arn_of(MODEL_PACKAGE_GROUP, group, context))
    tokens = dict(record.doc.get(TOKENS, {}))
    if token and token in tokens:
        return Arn(tokens[token])
    version = int(record.doc.get(LAST, 0)) + 1
    versioned = {
        "ModelApprovalStatus": "PendingManualApproval",
        **doc,
        TYPE: "Versioned",
        GROUP_MEMBER: group,
        "ModelPackageVersion": version,
    }
    arn = _insert(tx, f"{group}/{version}", versioned, labels, context)
    if token:
        tokens[token] = arn
    recent = dict(list(tokens.items())[-TOKENS_KEPT:])
    _remember(tx, record, {LAST: version, TOKENS: recent})
    return arn


def _remember(tx: Transaction, group: Record, patch: Answer) -> None:
    events.changed(tx, MODEL_PACKAGE_GROUP, group, now=group.modified_at, patch=patch)


def _insert(tx: Transaction, name: str, doc: Answer, labels: Mapping[str, str], context: Context) -> Arn:
    arn = Arn(context.arn("sagemaker", f"{MODEL_PACKAGE.arn_slug}/{name.lower()}"))
    record = verbs.new_record(MODEL_PACKAGE, name, arn, doc, context)
    verbs.insert(tx, MODEL_PACKAGE, record, labels, context)
    return arn


def _summary(shown: Answer) -> Answer:
    """In lists a version has no name of its own: github.com/aws/sagemaker-python-sdk/issues/5606."""
    return {**shown, "ModelPackageName": None} if shown.get(GROUP_MEMBER) else shown


def _check_containers(body: Request, context: Context) -> None:
    """Every image must be one that can be served here."""
    specifications = [
        body.get("InferenceSpecification", {}),
        *body.get("AdditionalInferenceSpecifications", []),
        *body.get("AdditionalInferenceSpecificationsToAdd", []),
    ]
    for container in (c for one in specifications for c in one.get("Containers", [])):
        if (
            "Image" in container
            and "inference" not in context.ports.images.resolve(container["Image"]).purposes
        ):
            raise errors.Validation(f"The image {container['Image']} is not an inference image.")


def _by(context: Context) -> Answer:
    return {"IamIdentity": {"Arn": context.caller.arn, "PrincipalId": context.caller.user_id}}
