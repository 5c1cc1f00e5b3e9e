"""The permission step: asked once for every call of every door, before anything else is looked at."""

from __future__ import annotations

from glasshouse.kernel import errors
from glasshouse.kernel.identity import Caller

RESERVED_FOR_ROOT = frozenset({"iam:CreateRole", "iam:DeleteRole", "sts:AssumeRole"})
"""What a session of a role may not do. The root identity may do everything in its account."""

SERVICES_FOR_ROOT = frozenset({"glasshouse"})
"""Services that a session of a role may not use at all: jobs have such sessions, and decisions are not theirs to read."""


class Access:
    """Decides whether a caller may do something. Denies what it does not know."""

    def __init__(self, account: str) -> None:
        self._account = account

    def check(self, caller: Caller, action: str, resource: str) -> None:
        """Raises errors.AccessDenied unless `caller` may perform `action` ("s3:PutObject") on `resource`."""
        if caller.account != self._account:
            raise errors.AccessDenied(principal=caller.arn, action=action, resource=resource)
        if caller.is_root:
            return
        if action in RESERVED_FOR_ROOT or action.partition(":")[0] in SERVICES_FOR_ROOT:
            raise errors.AccessDenied(principal=caller.arn, action=action, resource=resource)
