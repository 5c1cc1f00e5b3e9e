"""Several work loops on one store, and what is left when one of them dies."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from glasshouse.kernel.context import Context
from glasshouse.kernel.records import Record, Store, Transaction
from glasshouse.kernel.work import Move, Outcome, Step, Wait
from tests.kernel.worked import (
    create,
    done,
    made,
    mark,
    published,
    rows,
    status,
    stopped_or_waits,
    waits,
)
from tests.support import stores
from tests.support.world import World, until, working


def test_a_restarted_server_picks_work_up_at_once(sqlite_store: Store) -> None:
    """The lease of the server before is not waited for: nobody else can have the store."""
    stores.insert(sqlite_store, *rows(3))
    with sqlite_store.write() as tx:
        assert len(tx.lease_due(owner="killed", now=time.time(), until=time.time() + 9999, limit=9)) == 3
    with working(made(sqlite_store, done)) as here:
        until(lambda: here.moves() == ["Completed"] * 3, within_s=2.0)


def test_a_loop_that_ends_gives_its_rows_up(store: Store) -> None:
    stores.insert(store, *rows(3))
    with working(made(store, stopped_or_waits)) as here:
        until(lambda: waits(here, 3))
    with store.write() as tx:
        assert len(tx.lease_due(owner="next", now=time.time(), until=time.time() + 9, limit=9)) == 3


@pytest.fixture
def pg(postgres: str) -> Any:
    opened = stores.opened("postgres", None, lambda name: postgres)  # type: ignore[arg-type]
    yield opened
    opened.close()


@pytest.mark.slow
def test_a_second_server_takes_over_when_the_first_one_dies(pg: Store) -> None:
    stores.insert(pg, *rows(5))
    first = made(pg, lambda record, context: Wait(after_s=600), lease_s=0.6)
    second = made(pg, done, lease_s=0.6)
    first.loop.start()
    until(lambda: waits(first, 5))
    try:
        with working(second):
            began = time.monotonic()
            until(lambda: time.monotonic() - began > 1.2)
            assert second.moves() == [], "a living server lost its rows"
            die(first)
            until(lambda: second.moves() == ["Completed"] * 5)
    finally:
        first.loop.end()


def die(here: World) -> None:
    """The loop ends as when its process is killed: no sign of life any more, and nothing is given up."""
    with here.loop._signal:
        here.loop._ending = True
        here.loop._signal.notify()
    here.loop._main.join()


def give_no_signs(here: World) -> None:
    here.loop._beat_at = float("inf")


@pytest.mark.slow
def test_a_server_that_lost_its_rows_lets_go_of_them(pg: Store) -> None:
    stores.insert(pg, *rows(3))
    looks: list[str] = []

    def look(record: Record, context: Context) -> Outcome:
        looks.append(record.key.name)
        return Wait(after_s=0.02)

    with working(made(pg, look, lease_s=0.5)) as sleeper:
        until(lambda: len(looks) > 3)
        with pg.write() as tx:
            far = time.time() + 1000
            tx.extend_leases(owner=sleeper.loop._owner, until=0.0)
            assert len(tx.lease_due(owner="other", now=time.time(), until=far, limit=9)) == 3
        until(lambda: not sleeper.loop._hands)
        seen = len(looks)
        began = time.monotonic()
        until(lambda: time.monotonic() - began > 0.2)
        assert len(looks) == seen, "two servers work on the same row"


@pytest.mark.slow
def test_two_servers_publish_every_job_exactly_once(pg: Store) -> None:
    stores.insert(pg, *rows(40))
    runs: list[str] = []

    def step_of(server: str) -> Step:
        def step(record: Record, context: Context) -> Outcome:
            if "_prepared" not in record.doc:
                return Move(patch={"_prepared": server}, after_s=0.01)
            runs.append(record.key.name)
            return Move(to="Completed", after_s=None, publish=mark(record, server))

        return step

    one = made(pg, step_of("one"), threads=2)
    two = made(pg, step_of("two"), threads=2)
    with working(one), working(two):
        until(lambda: one.moves() == ["Completed"] * 40)
    assert sorted(runs) == [f"m{n:04}" for n in range(40)]
    assert len(published(pg)) == 40
    assert set(published(pg)) <= {"one", "two"}


@pytest.mark.slow
def test_work_is_published_once_even_when_leases_run_out_under_it(pg: Store) -> None:
    """Steps take longer than the leases, and no sign of life prolongs them: the revision decides."""
    stores.insert(pg, *rows(6))
    runs: list[str] = []

    def step_of(server: str) -> Step:
        def step(record: Record, context: Context) -> Outcome:
            runs.append(server)
            time.sleep(0.15)
            return Move(to="Completed", after_s=None, publish=mark(record, server))

        return step

    worlds = [made(pg, step_of(server), lease_s=0.05, threads=6) for server in ("one", "two")]
    for here in worlds:
        give_no_signs(here)
    with working(worlds[0]), working(worlds[1]):
        until(lambda: worlds[0].moves() == ["Completed"] * 6)
    assert len(published(pg)) == 6


def test_the_loop_outlives_a_store_that_refuses(sqlite_store: Store) -> None:
    """A write that fails once, as on a full disk, is done again."""
    refusals = [True]

    def publish_of(record: Record) -> Callable[[Transaction], None]:
        def publish(tx: Transaction) -> None:
            if refusals:
                refusals.pop()
                raise OSError("no space left on device")
            mark(record, "outputs")(tx)

        return publish

    def step(record: Record, context: Context) -> Outcome:
        return Move(to="Completed", after_s=None, publish=publish_of(record))

    with working(made(sqlite_store, step)) as here:
        create(here)
        until(lambda: status(here) == "Completed")
    assert published(sqlite_store) == ["outputs"]


def test_an_end_waits_so_long_for_a_step_and_keeps_the_lease_of_one_that_goes_on(store: Store) -> None:
    may_end, is_running = threading.Event(), threading.Event()

    def step(record: Record, context: Context) -> Outcome:
        is_running.set()
        may_end.wait(20)
        return Wait(after_s=600)

    here = made(store, step)
    here.loop.start()
    create(here)
    assert is_running.wait(10)
    assert not here.loop.end(within_s=0.05)
    with store.read() as view:
        assert not view.has_due(time.time() + 1)
    may_end.set()
    assert here.loop.end(within_s=10)
    with store.read() as view:
        assert view.has_due(time.time() + 1)
