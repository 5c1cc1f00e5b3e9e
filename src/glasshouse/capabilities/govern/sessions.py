"""STS: who am I, and temporary keys of a role."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from glasshouse.capabilities.govern import roles
from glasshouse.kernel import errors, ids
from glasshouse.kernel.clock import as_datetime
from glasshouse.kernel.context import Context
from glasshouse.kernel.operations import operation
from glasshouse.kernel.unsupported import Unsupported, refuse

HOUR_S = 3600
REFUSED = tuple(
    Unsupported(path=path)
    for path in (
        "Policy",
        "PolicyArns",
        "Tags",
        "TransitiveTagKeys",
        "ExternalId",
        "SerialNumber",
        "TokenCode",
    )
)


@operation("GetCallerIdentity", service="sts")
def get_caller_identity(_request: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """The identity behind the request's signature."""
    caller = context.caller
    return {"UserId": caller.user_id, "Account": caller.account, "Arn": caller.arn}


@operation("AssumeRole", service="sts")
def assume_role(request: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Temporary keys of a role of the caller's account."""
    refuse(request, REFUSED)
    role = roles.find(_name_of(request["RoleArn"], context), context)
    lifetime_s = request.get("DurationSeconds", HOUR_S)
    if lifetime_s > role["MaxSessionDuration"]:
        raise errors.Validation(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
            code="ValidationError",
        )
    issued = context.ports.identities.issue(
        ids.Arn(role["Arn"]), session=request["RoleSessionName"], lifetime_s=lifetime_s
    )
    return {
        "Credentials": {
            "AccessKeyId": issued.access_key_id,
            "SecretAccessKey": issued.secret_access_key,
            "SessionToken": issued.session_token,
            "Expiration": as_datetime(issued.expires_at or 0.0),
        },
        "AssumedRoleUser": {"AssumedRoleId": issued.user_id, "Arn": issued.arn},
    }


def _name_of(arn: str, context: Context) -> str:
    try:
        role = ids.split_arn(arn)
    except ValueError as error:
        raise errors.Validation(f"{arn} is invalid") from error
    if role.account != context.caller.account or not role.resource.startswith("role/"):
        raise errors.AccessDenied(principal=context.caller.arn, action="sts:AssumeRole", resource=arn)
    return role.resource.rsplit("/", 1)[-1]
