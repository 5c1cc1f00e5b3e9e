"""IAM, as far as the SDKs need it: roles, and what a principal may do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from glasshouse.kernel import errors, ids
from glasshouse.kernel.access import RESERVED_FOR_ROOT
from glasshouse.kernel.clock import as_datetime
from glasshouse.kernel.context import Context
from glasshouse.kernel.operations import operation
from glasshouse.kernel.records import Duplicate, Event, Key, Query, Record
from glasshouse.kernel.unsupported import Unsupported, refuse

KIND = "Role"
GLOBAL = "aws-global"
ROOT_ROLE = "GlasshouseRoot"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}


@operation("CreateRole", service="iam")
def create_role(request: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """A role that jobs and sessions can take on."""
    refuse(request, (Unsupported(path="PermissionsBoundary"),))
    name = request["RoleName"]
    trust = _document(request["AssumeRolePolicyDocument"])
    path = request.get("Path", "/")
    now = context.ports.clock.now()
    doc = {
        "Path": path,
        "AssumeRolePolicyDocument": trust,
        "Description": request.get("Description", ""),
        "MaxSessionDuration": request.get("MaxSessionDuration", 3600),
    }
    record = Record(
        key=_key(name, context),
        arn=_arn(context.caller.account, path, name),
        status="",
        created_at=now,
        modified_at=now,
        doc=doc,
    )
    with context.ports.store.write() as tx:
        try:
            tx.insert(record)
        except Duplicate as error:
            raise errors.AlreadyExists(
                f"Role with name {name} already exists.", code="EntityAlreadyExists", status=409
            ) from error
        tx.put_tags(record.arn, {tag["Key"]: tag["Value"] for tag in request.get("Tags", [])})
        tx.append_event(_event(record, "created", context))
    return {"Role": _shown(record)}


@operation("GetRole", service="iam")
def get_role(request: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """One role. The role of the root identity is always there."""
    return {"Role": find(request["RoleName"], context)}


@operation("ListRoles", service="iam")
def list_roles(request: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """All roles whose path starts with PathPrefix, by name."""
    marker = request.get("Marker", "")
    limit = request.get("MaxItems", 100)
    query = Query(
        account=context.caller.account,
        region=GLOBAL,
        kind=KIND,
        sort="name",
        descending=False,
        limit=limit + 1,
        after=(marker, marker) if marker else None,
    )
    with context.ports.store.read() as view:
        records = view.page(query)
    shown = [_shown(r) for r in records[:limit] if r.doc["Path"].startswith(request.get("PathPrefix", "/"))]
    more = len(records) > limit
    return {
        "Roles": shown,
        "IsTruncated": more,
        "Marker": records[limit - 1].key.name if more else None,
    }


@operation("DeleteRole", service="iam")
def delete_role(request: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Removes a role. Sessions of it end when their keys do."""
    key = _key(request["RoleName"], context)
    with context.ports.store.write() as tx:
        record = tx.find(key)
        if record is None:
            raise _missing(request["RoleName"])
        tx.remove(key)
        tx.append_event(_event(record, "deleted", context))
    return {}


@operation("SimulatePrincipalPolicy", service="iam")
def simulate_principal_policy(request: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """What a role of this account may do: the same answer that the permission step would give a session of it."""
    refuse(
        request,
        (
            Unsupported(path="PolicyInputList", accepts=([],)),
            Unsupported(path="PermissionsBoundaryPolicyInputList", accepts=([],)),
            Unsupported(path="ContextEntries", accepts=([],)),
        ),
    )
    name = _role_name(request["PolicySourceArn"])
    find(name, context)
    resources = request.get("ResourceArns") or ["*"]
    allowed = (
        "allowed"
        if ids.split_arn(request["PolicySourceArn"]).account == context.caller.account
        else "implicitDeny"
    )
    return {
        "EvaluationResults": [
            {
                "EvalActionName": action,
                "EvalResourceName": resource,
                "EvalDecision": "implicitDeny"
                if action in RESERVED_FOR_ROOT and name != ROOT_ROLE
                else allowed,
                "MatchedStatements": [],
                "MissingContextValues": [],
            }
            for action in request["ActionNames"]
            for resource in resources
        ],
        "IsTruncated": False,
    }


def find(name: str, context: Context) -> dict[str, Any]:
    """The role as IAM shows it. Raises errors.NotFound with IAM's own code."""
    if name == ROOT_ROLE:
        return _root(context)
    with context.ports.store.read() as view:
        record = view.find(_key(name, context))
    if record is None:
        raise _missing(name)
    return _shown(record)


def _root(context: Context) -> dict[str, Any]:
    return {
        "Path": "/",
        "RoleName": ROOT_ROLE,
        "RoleId": _role_id(ROOT_ROLE),
        "Arn": _arn(context.caller.account, "/", ROOT_ROLE),
        "CreateDate": as_datetime(0),
        "AssumeRolePolicyDocument": quote(json.dumps(TRUST)),
        "Description": "The identity made at the first start; it may do everything.",
        "MaxSessionDuration": 43200,
    }


def _shown(record: Record) -> dict[str, Any]:
    return {
        **record.doc,
        "RoleName": record.key.name,
        "RoleId": _role_id(record.arn),
        "Arn": record.arn,
        "CreateDate": as_datetime(record.created_at),
        "AssumeRolePolicyDocument": quote(json.dumps(record.doc["AssumeRolePolicyDocument"])),
    }


def _document(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise errors.Validation(
            "This policy contains invalid Json", code="MalformedPolicyDocument", status=400
        ) from error


def _role_name(arn: str) -> str:
    """The role behind a role's ARN or a session's."""
    try:
        resource = ids.split_arn(arn).resource
    except ValueError as error:
        raise errors.Validation(f"Invalid Entity Arn: {arn}", code="InvalidInput", status=400) from error
    parts = resource.split("/")
    return parts[1] if parts[0] == "assumed-role" and len(parts) > 1 else parts[-1]


def _missing(name: str) -> errors.NotFound:
    return errors.NotFound(f"The role with name {name} cannot be found.", code="NoSuchEntity", status=404)


def _key(name: str, context: Context) -> Key:
    """Roles belong to an account, not to a region."""
    return Key(account=context.caller.account, region=GLOBAL, kind=KIND, name=name)


def _arn(account: str, path: str, name: str) -> ids.Arn:
    return ids.Arn(f"arn:aws:iam::{account}:role{path}{name}")


def _role_id(text: str) -> str:
    return "AROA" + hashlib.sha256(text.encode()).hexdigest()[:17].upper()


def _event(record: Record, what: str, context: Context) -> Event:
    return Event(
        at=context.ports.clock.now(),
        account=record.key.account,
        region=record.key.region,
        arn=record.arn,
        kind=KIND,
        what=what,
        principal=context.caller.arn,
        request_id=context.request_id,
    )
