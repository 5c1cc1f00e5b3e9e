"""IAM, as far as the SDKs need it: roles, and what a principal may do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from glasshouse.kernel import errors, ids, tags
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
    if name == ROOT_ROLE:
        raise _taken(name)
    trust = _document(request["AssumeRolePolicyDocument"])
    path = request.get("Path", "/")
    labels = tags.as_dict(request.get("Tags", []))
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
            raise _taken(name) from error
        tx.put_tags(record.arn, labels)
        tx.append_event(_event(record, "created", context))
    return {"Role": {**_shown(record), "Tags": tags.as_list(labels)}}


@operation("GetRole", service="iam")
def get_role(request: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """One role. The role of the root identity is always there."""
    return {"Role": find(request["RoleName"], context)}


@operation("ListRoles", service="iam")
def list_roles(request: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """All roles whose path starts with PathPrefix, by name."""
    prefix, marker = request.get("PathPrefix", "/"), request.get("Marker", "")
    limit = request.get("MaxItems", 100)
    shown = sorted([_root(context), *map(_shown, _every(context))], key=lambda role: str(role["RoleName"]))
    found = [role for role in shown if role["Path"].startswith(prefix) and role["RoleName"] > marker]
    more = len(found) > limit
    return {
        "Roles": found[:limit],
        "IsTruncated": more,
        "Marker": found[limit - 1]["RoleName"] if more else None,
    }


@operation("DeleteRole", service="iam")
def delete_role(request: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Removes a role. Sessions of it end when their keys do."""
    if request["RoleName"] == ROOT_ROLE:
        raise errors.Conflict("The root role cannot be deleted.", code="UnmodifiableEntity", status=400)
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
        return {**_shown(record), "Tags": tags.as_list(view.tags(record.arn))}


def _every(context: Context) -> Iterator[Record]:
    """All roles of the account but the root role; there are few."""
    after = None
    with context.ports.store.read() as view:
        while True:
            query = Query(
                account=context.caller.account,
                region=GLOBAL,
                kind=KIND,
                sort="name",
                descending=False,
                after=after,
            )
            page = view.page(query)
            yield from page
            if len(page) < query.limit:
                return
            after = (page[-1].key.name, page[-1].key.name)


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


def _taken(name: str) -> errors.AlreadyExists:
    return errors.AlreadyExists(
        f"Role with name {name} already exists.", code="EntityAlreadyExists", status=409
    )


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
