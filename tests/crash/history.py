"""What the store must say once a data folder's server has ended, whatever happened to it before."""

from __future__ import annotations

import collections
import contextlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from glasshouse import app
from glasshouse.engines.store.sqlite import SqliteStore
from glasshouse.kernel.kinds import Machine
from glasshouse.kernel.records import Event, Reading

EVERYTHING = 10**7


def check(data: Path, *, acknowledged: Mapping[str, str]) -> None:
    """Every resource's events are one declared way to its status; every acknowledged request is in the audit, once.

    acknowledged: the operations of requests that were answered without an error, by the requests' ids.
    """
    with _opened(data) as view:
        machines = {kind.noun: kind.states for one in app.load_capabilities() for kind in one.kinds}
        for arn, events in _by_arn(view.events(limit=EVERYTHING)).items():
            status = _way(arn, events, machines)
            found = view.find_arn(arn)
            assert (found.status if found else None) == status, f"{arn} is {found}, its events say {status}"
        _check_audit(view, acknowledged)


@contextlib.contextmanager
def _opened(data: Path) -> Iterator[Reading]:
    store = SqliteStore(data / "glasshouse.db")
    with store.read() as view:
        yield view
    store.close()


def _way(arn: str, events: list[Event], machines: Mapping[str, Machine | None]) -> str | None:
    """The status at the end of the events, None for a resource that is gone."""
    status = None
    for event in events:
        machine = machines[event.kind]
        if event.what == "created":
            assert status is None, f"{arn} was created twice"
            assert machine is None or event.to_status == machine.first
            status = event.to_status
        elif event.what == "moved":
            assert machine is not None
            assert event.from_status == status, f"{arn} moved from {event.from_status}, but it was {status}"
            assert event.to_status in machine.moves[event.from_status], f"undeclared: {event}"
            status = event.to_status
        elif event.what == "deleted":
            assert event.from_status == status, (
                f"{arn} was deleted as {event.from_status}, but it was {status}"
            )
            status = None
    return status


def _check_audit(view: Reading, acknowledged: Mapping[str, str]) -> None:
    """What a request calls in its turn has the same id, and an operation of its own."""
    entries = [entry for entry in view.audit(limit=EVERYTHING) if entry.outcome == "ok"]
    times = collections.Counter((entry.request_id, entry.operation) for entry in entries)
    wrong = {one: times[one] for one in acknowledged.items() if times[one] != 1}
    assert wrong == {}, f"{len(wrong)} of {len(acknowledged)} requests are not in the audit once"


def _by_arn(events: Iterable[Event]) -> dict[str, list[Event]]:
    found: dict[str, list[Event]] = collections.defaultdict(list)
    for event in events:
        found[event.arn].append(event)
    return found
