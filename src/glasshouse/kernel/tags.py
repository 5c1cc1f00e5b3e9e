"""Tags, for every kind alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from glasshouse.kernel import errors
from glasshouse.kernel.context import Context
from glasshouse.kernel.operations import operation
from glasshouse.kernel.records import Record

MAX_TAGS = 50


def as_dict(pairs: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Tags of a request as a dictionary. Raises errors.Validation for a repeated or reserved key."""
    labels: dict[str, str] = {}
    for pair in pairs:
        key = pair["Key"]
        if key in labels:
            raise errors.Validation(f"Duplicate tag keys are not allowed: {key}.")
        if key.lower().startswith("aws:"):
            raise errors.Validation(f"Tag keys starting with 'aws:' are reserved: {key}.")
        labels[key] = pair.get("Value", "")
    if len(labels) > MAX_TAGS:
        raise errors.LimitExceeded(f"A resource can have at most {MAX_TAGS} tags.")
    return labels


def as_list(labels: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in sorted(labels.items())]


@operation("AddTags")
def add_tags(request: Mapping[str, Any], context: Context) -> dict[str, Any]:
    arn = request["ResourceArn"]
    with context.ports.store.write() as tx:
        _must_exist(tx.find_arn(arn), arn, context)
        labels = {**tx.tags(arn), **as_dict(request["Tags"])}
        if len(labels) > MAX_TAGS:
            raise errors.LimitExceeded(f"A resource can have at most {MAX_TAGS} tags.")
        tx.put_tags(arn, labels)
    return {"Tags": as_list(labels)}


@operation("ListTags")
def list_tags(request: Mapping[str, Any], context: Context) -> dict[str, Any]:
    arn = request["ResourceArn"]
    with context.ports.store.read() as view:
        _must_exist(view.find_arn(arn), arn, context)
        labels = as_list(view.tags(arn))
    after = request.get("NextToken", "")
    rest = [label for label in labels if label["Key"] > after]
    page = rest[: request.get("MaxResults", MAX_TAGS)]
    return {"Tags": page, "NextToken": page[-1]["Key"] if len(page) < len(rest) else None}


@operation("DeleteTags")
def delete_tags(request: Mapping[str, Any], context: Context) -> dict[str, Any]:
    arn = request["ResourceArn"]
    with context.ports.store.write() as tx:
        _must_exist(tx.find_arn(arn), arn, context)
        tx.remove_tags(arn, request["TagKeys"])
    return {}


def _must_exist(record: Record | None, arn: str, context: Context) -> None:
    mine = (context.caller.account, context.caller.region)
    if record is None or (record.key.account, record.key.region) != mine:
        raise errors.NotFound(f"Could not find the resource {arn}.")
