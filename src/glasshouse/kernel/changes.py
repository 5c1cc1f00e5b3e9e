"""Changing a resource on a client's behalf: decided on the row as it is now, and again when somebody was faster."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from glasshouse.kernel import errors, events, verbs
from glasshouse.kernel.context import Context
from glasshouse.kernel.kinds import Kind
from glasshouse.kernel.records import Record, Stale


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A new status (or the same) and changed members. `is_due`: the kind's step has work to do at once."""

    to: str = ""
    patch: Mapping[str, Any] = field(default_factory=dict)
    is_due: bool = False


def change(kind: Kind, name: str, context: Context, decide: Callable[[Record], Change]) -> Record:
    """Writes what `decide` says of the resource; the record before. `decide` may be asked more than once.

    Raises what `decide` raises, and the kind's not-found error.
    """
    for _ in range(verbs.TRIES):
        record = verbs.find(kind, name, context)
        wanted = decide(record)
        now = context.ports.clock.now()
        try:
            with context.ports.store.write() as tx:
                events.changed(
                    tx,
                    kind,
                    record,
                    now=now,
                    to=wanted.to,
                    patch={member: verbs.plain(value) for member, value in wanted.patch.items()},
                    due_at=now if wanted.is_due else record.due_at,
                    principal=context.caller.arn,
                    request_id=context.request_id,
                )
        except Stale:
            continue
        if wanted.is_due:
            context.wake()
        return record
    raise errors.Conflict(f"The {kind.label} is changing too fast; try again.")
