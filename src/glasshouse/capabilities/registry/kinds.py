"""Model packages and their groups as data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from glasshouse.kernel import errors
from glasshouse.kernel.context import Context
from glasshouse.kernel.kinds import Doc, Kind, Machine, Sentence
from glasshouse.kernel.records import Condition, Query, Record
from glasshouse.kernel.unsupported import Unsupported, refuse

GROUP_MEMBER = "ModelPackageGroupName"
TYPE = "_type"
"""Versioned or Unversioned: whether a package belongs to a group."""
READY = Machine(first="Completed", moves={"Completed": frozenset()})


def _fill_group(doc: Doc, _context: Context) -> Doc:
    refuse(doc, (Unsupported(path="ManagedConfiguration"),))
    return {}


def _group_is_empty(record: Record, context: Context) -> None:
    """A group with versions stays. Raises errors.Conflict."""
    query = Query(
        account=record.key.account,
        region=record.key.region,
        kind="ModelPackage",
        where=(Condition(field="name", operator="starts", value=f"{record.key.name}/"),),
        limit=1,
    )
    with context.ports.store.read() as view:
        if view.page(query):
            raise errors.Conflict(
                f"Model package group {record.key.name} cannot be deleted because it is not empty; "
                "delete its model packages first.",
                code="ConflictException",
            )


def _uses(doc: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for container in doc.get("InferenceSpecification", {}).get("Containers", []):
        if "ModelDataUrl" in container:
            yield container["ModelDataUrl"], "ContributedTo"
        if "Image" in container:
            yield container["Image"], "ContributedTo"


def _view(record: Record, _context: Context) -> Doc:
    """A version goes by its group's name; the ARN tells it apart."""
    return {"ModelPackageName": record.doc.get(GROUP_MEMBER) or record.key.name}


def _type_filter(value: str) -> Condition:
    """Both lets everything through."""
    if value == "Both":
        return Condition(field="name", operator="contains", value="")
    return Condition(field=TYPE, operator="=", value=value, in_doc=True)


MODEL_PACKAGE_GROUP = Kind(
    noun="ModelPackageGroup",
    states=READY,
    missing=Sentence(
        code="ValidationException",
        text="ModelPackageGroup {arn} does not exist.",
        source="what AWS answers; moto's tests",
    ),
    exists=Sentence(
        code="ValidationException",
        text="Model Package Group already exists: {arn}",
        source="SDK v2 session.create_model_package_from_containers matches 'already exists'",
    ),
    fill=_fill_group,
    may_delete=_group_is_empty,
    filters={"CrossAccountFilterOption": lambda value: _same_account(value)},
)

MODEL_PACKAGE = Kind(
    noun="ModelPackage",
    states=READY,
    missing=Sentence(
        code="ValidationException",
        text="ModelPackage {arn} does not exist.",
        source="what AWS answers",
    ),
    exists=Sentence(
        code="ValidationException",
        text="ModelPackage already exists: {arn}",
        source="SDK v2 session.create_model_package matches 'ModelPackage already exists'",
    ),
    uses=_uses,
    view=_view,
    filters={
        "ModelApprovalStatus": lambda value: Condition(
            field="ModelApprovalStatus", operator="=", value=value, in_doc=True
        ),
        "ModelPackageGroupName": lambda value: Condition(
            field=GROUP_MEMBER, operator="=", value=value.rsplit("/", 1)[-1], in_doc=True
        ),
        "ModelPackageType": _type_filter,
    },
)


def _same_account(value: str) -> Condition:
    if value != "SameAccount":
        raise errors.Validation("CrossAccountFilterOption CrossAccount is not supported by this server.")
    return Condition(field="name", operator="contains", value="")
