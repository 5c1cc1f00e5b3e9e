"""Whoever follows events or audit entries by their numbers misses none, whatever order writers end in."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from glasshouse.engines.store.postgres import PostgresStore
from glasshouse.kernel.records import AuditEntry, Event, Store
from tests.support import stores

DEADLINE_S = 30.0


def event(what: str) -> Event:
    return Event(at=1.5, account="1", region="r", arn="arn:a", kind="Model", what=what)


def entry(operation: str) -> AuditEntry:
    rest = ("account", "region", "principal", "access_key_id", "service", "resource", "outcome", "request_id")
    return AuditEntry(at=2.5, operation=operation, **dict.fromkeys(rest, "x"))  # type: ignore[arg-type]


class Follower:
    """Reads on behind the highest number that it has seen."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.seen: list[str] = []
        self.last = 0

    def look(self) -> None:
        with self.store.read() as view:
            for one in view.events(after=self.last):
                assert one.seq > self.last
                self.last = one.seq
                self.seen.append(one.what)


@pytest.fixture
def shared(postgres: str) -> Iterator[Store]:
    """A store that lets writers write at the same time."""
    opened = PostgresStore(stores.with_schema(postgres))
    yield opened
    opened.close()


def test_an_event_that_is_appended_first_and_committed_last_is_not_missed(shared: Store) -> None:
    follower = Follower(shared)
    with shared.write() as slow:
        slow.append_event(event("slow"))
        slow.append_audit(entry("slow"))
        with shared.write() as quick:
            quick.append_event(event("quick"))
            quick.append_audit(entry("quick"))
        follower.look()
        assert follower.seen == ["quick"]
    follower.look()
    assert follower.seen == ["quick", "slow"]
    with shared.read() as view:
        assert [one.operation for one in view.audit()] == ["quick", "slow"]


def test_who_has_numbered_events_ends_before_the_next_one_numbers(shared: Store) -> None:
    def write() -> None:
        with shared.write() as tx:
            tx.append_event(event("second"))

    with shared.write() as first:
        first.append_event(event("first"))
        assert [one.what for one in first.events()] == ["first"], "a transaction sees what it wrote"
        thread = threading.Thread(target=write)
        thread.start()
        until_somebody_waits(shared)
    thread.join()
    with shared.read() as view:
        assert [one.what for one in view.events()] == ["first", "second"]


def until_somebody_waits(store: Store) -> None:
    waiting = sa.text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        with store.read() as view:
            if view.connection.execute(waiting).scalar_one():  # type: ignore[attr-defined]
                return
    raise AssertionError("the second writer did not wait")


@pytest.mark.slow
def test_a_follower_of_many_writers_sees_every_event_once(store: Store) -> None:
    n_writers, n_each = 4, 25
    is_over = threading.Event()
    follower = Follower(store)

    def write(writer: int) -> None:
        chance = random.Random(writer)
        for n in range(n_each):
            with store.write(durable=chance.random() < 0.5) as tx:
                for part in range(chance.randrange(1, 4)):
                    tx.append_event(event(f"{writer} {n} {part}"))
                tx.insert(stores.record(f"m{writer}-{n}"))

    def write_all() -> None:
        try:
            stores.together([lambda writer=w: write(writer) for w in range(n_writers)])  # type: ignore[misc]
        finally:
            is_over.set()

    def follow() -> None:
        while not is_over.is_set():
            follower.look()
        follower.look()

    stores.together([write_all, follow])
    with store.read() as view:
        assert follower.seen == [one.what for one in view.events(limit=10_000)]
    assert len(set(follower.seen)) == len(follower.seen) >= n_writers * n_each


def test_what_was_appended_in_a_write_that_failed_is_not_there(store: Store) -> None:
    def write() -> None:
        with store.write() as tx:
            tx.append_event(event("never"))
            raise AssertionError(f"{len(tx.events())} event was there")

    with pytest.raises(AssertionError, match="1 event was there"):
        write()
    with store.read() as view:
        assert view.events() == []
