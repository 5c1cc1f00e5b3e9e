"""State changes: the row and its event, in one transaction."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from glasshouse.kernel.kinds import Kind
from glasshouse.kernel.records import Event, Record, Transaction


class Undeclared(Exception):
    """A move that the kind's machine does not declare: an error in our own code."""


def created(tx: Transaction, record: Record, *, principal: str, request_id: str) -> None:
    _append(tx, record, "created", to_status=record.status, principal=principal, request_id=request_id)


def deleted(
    tx: Transaction, record: Record, *, now: float, principal: str = "", request_id: str = ""
) -> None:
    last = dataclasses.replace(record, modified_at=now)
    _append(tx, last, "deleted", from_status=record.status, principal=principal, request_id=request_id)


def changed(
    tx: Transaction,
    kind: Kind,
    record: Record,
    *,
    now: float,
    to: str = "",
    patch: Mapping[str, Any] | None = None,
    due_at: float | None = None,
    reason: str = "",
    principal: str = "",
    request_id: str = "",
) -> Record:
    """Writes a new status and document (top-level members of `patch` replace; None removes).

    Raises records.Stale when the row changed meanwhile, Undeclared for a move that is not in the machine.
    """
    status = to or record.status
    if status != record.status:
        declared = kind.states.moves.get(record.status, frozenset()) if kind.states else frozenset()
        if status not in declared:
            raise Undeclared(f"{kind.noun}: {record.status} -> {status}")
    doc = {**record.doc, **(patch or {})}
    changed_record = dataclasses.replace(
        record,
        status=status,
        doc={member: value for member, value in doc.items() if value is not None},
        modified_at=now,
        due_at=due_at,
    )
    written = tx.replace(changed_record, expect_rev=record.rev, allowed=(record.status,))
    if status != record.status:
        _append(
            tx,
            written,
            "moved",
            from_status=record.status,
            to_status=status,
            reason=reason,
            principal=principal,
            request_id=request_id,
        )
    return written


def _append(
    tx: Transaction,
    record: Record,
    what: str,
    *,
    from_status: str = "",
    to_status: str = "",
    reason: str = "",
    principal: str = "",
    request_id: str = "",
) -> None:
    event = Event(
        at=record.modified_at,
        account=record.key.account,
        region=record.key.region,
        arn=record.arn,
        kind=record.key.kind,
        what=what,
        from_status=from_status,
        to_status=to_status,
        reason=reason,
        principal=principal,
        request_id=request_id,
    )
    tx.append_event(event)
