"""The work loop: what steps say is written, once, whatever happens at the same time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from glasshouse.kernel import errors
from glasshouse.kernel.context import Context
from glasshouse.kernel.records import Edge, Record, Store, Transaction
from glasshouse.kernel.work import Move, Outcome, Step, Wait
from tests.support import stores, world
from tests.support.world import World, until, working

NOUN = "ProcessingJob"
Body = Callable[[Record, Context], Outcome]


def made(store: Store, step: Step, **more: Any) -> World:
    return world.made(store, steps={NOUN: step}, **more)


def create(here: World, name: str = "job") -> None:
    here.call("CreateProcessingJob", **world.job_request(name))


def status(here: World, name: str = "job") -> str | None:
    return here.status(NOUN, name)


def doc(here: World, name: str = "job") -> dict[str, Any]:
    found = here.find(NOUN, name)
    assert found is not None
    return dict(found.doc)


def done(record: Record, context: Context) -> Outcome:
    return Move(to="Completed", after_s=None)


# --- outcomes


def test_a_new_job_is_worked_on_at_once_and_ends(store: Store) -> None:
    with working(made(store, done)) as here:
        started = time.monotonic()
        create(here)
        until(lambda: status(here) == "Completed")
        assert time.monotonic() - started < 1.0
    with store.read() as view:
        assert view.find(stores.key("job", kind=NOUN), held_by="anybody") is None
        assert not view.has_due(time.time() + 1000)


def test_steps_follow_each_other_and_each_sees_what_the_last_wrote(sqlite_store: Store) -> None:
    def count(record: Record, context: Context) -> Outcome:
        n = record.doc.get("_n", 0)
        if n == 5:
            return Move(to="Completed", patch={"_n": None, "ExitMessage": "five"}, after_s=None)
        return Move(patch={"_n": n + 1}, after_s=0.0 if n % 2 else 0.01)

    with working(made(sqlite_store, count)) as here:
        create(here)
        until(lambda: status(here) == "Completed")
        assert doc(here)["ExitMessage"] == "five"
        assert "_n" not in doc(here)
    assert here.moves() == ["Completed"]


def test_a_wait_writes_nothing_and_looks_again(sqlite_store: Store) -> None:
    looks: list[int] = []

    def look(record: Record, context: Context) -> Outcome:
        looks.append(record.rev)
        return Wait(after_s=0.01) if len(looks) < 4 else Move(to="Completed", after_s=None)

    with working(made(sqlite_store, look)) as here:
        create(here)
        until(lambda: status(here) == "Completed")
    assert looks == [1, 1, 1, 1]


def test_a_step_that_asks_for_another_try_gets_it_and_failures_are_forgotten_after_success(
    sqlite_store: Store,
) -> None:
    tries: list[int] = []

    def falter(record: Record, context: Context) -> Outcome:
        tries.append(record.doc.get("_failures", 0))
        if len(tries) in (1, 2, 4):
            raise errors.Retry("not yet", after_s=0.01)
        return Wait(after_s=0.01) if len(tries) == 3 else Move(to="Completed", after_s=None)

    with working(made(sqlite_store, falter)) as here:
        create(here)
        until(lambda: status(here) == "Completed")
    assert tries == [0, 1, 2, 0, 1]
    assert "_failures" not in doc(here)


def test_a_step_that_never_succeeds_fails_the_job_with_its_reason(sqlite_store: Store) -> None:
    def refuse(record: Record, context: Context) -> Outcome:
        raise errors.Retry("the disk is full", after_s=0.001)

    with working(made(sqlite_store, refuse)) as here:
        create(here)
        until(lambda: status(here) == "Failed")
        assert doc(here)["FailureReason"] == "the disk is full"
    with sqlite_store.read() as view:
        assert [e.reason for e in view.events() if e.what == "moved"] == ["the disk is full"]


def test_fatal_work_fails_at_once(sqlite_store: Store) -> None:
    tries: list[str] = []

    def refuse(record: Record, context: Context) -> Outcome:
        tries.append(record.key.name)
        raise errors.Fatal("no such image")

    with working(made(sqlite_store, refuse)) as here:
        create(here)
        until(lambda: status(here) == "Failed")
    assert tries == ["job"]
    assert doc(here)["FailureReason"] == "no such image"


@pytest.mark.slow
def test_an_error_nobody_foresaw_is_tried_again_then_fails_the_job(sqlite_store: Store) -> None:
    def crash(record: Record, context: Context) -> Outcome:
        if record.doc.get("_failures", 0) < 1:
            raise ZeroDivisionError("an error of ours")
        raise errors.Fatal("enough")

    with working(made(sqlite_store, crash)) as here:
        create(here)
        until(lambda: status(here) == "Failed")


@pytest.mark.slow
def test_a_move_that_is_not_declared_is_not_written_and_counts_as_a_failure(sqlite_store: Store) -> None:
    def leap(record: Record, context: Context) -> Outcome:
        if record.doc.get("_failures", 0) < 1:
            return Move(to="Stopped", patch={"ExitMessage": "wrong"}, after_s=None)
        return Move(to="Completed", after_s=None)

    with working(made(sqlite_store, leap)) as here:
        create(here)
        until(lambda: status(here) == "Completed")
    assert "ExitMessage" not in doc(here)
    assert here.moves() == ["Completed"]


def test_a_removed_resource_is_gone_with_an_event(store: Store) -> None:
    def remove(record: Record, context: Context) -> Outcome:
        return Move(remove=True) if record.status == "Deleting" else Move(to="InService", after_s=None)

    here = world.made(store, steps={"Endpoint": remove})
    with working(here):
        here.call("CreateEndpoint", EndpointName="e", EndpointConfigName="c")
        until(lambda: here.status("Endpoint", "e") == "InService")
        here.call("DeleteEndpoint", EndpointName="e")
        until(lambda: here.status("Endpoint", "e") is None)
    with store.read() as view:
        events = view.events()
    assert [e.what for e in events] == ["created", "moved", "moved", "deleted"]
    assert [e.at for e in events] == sorted(e.at for e in events)


# --- publication


def mark(record: Record, by: str) -> Callable[[Transaction], None]:
    return lambda tx: tx.add_edges([Edge(source=record.arn, target=by, relation="published")])


def published(store: Store) -> list[str]:
    with store.read() as view:
        return [edge.target for edge in view.edges() if edge.relation == "published"]


def test_what_is_published_appears_together_with_the_move(sqlite_store: Store) -> None:
    finished: list[list[str]] = []

    def publish(record: Record, context: Context) -> Outcome:
        return Move(
            to="Completed",
            after_s=None,
            publish=mark(record, "outputs"),
            done=lambda: finished.append(published(sqlite_store)),
        )

    with working(made(sqlite_store, publish)) as here:
        create(here)
        until(lambda: finished)
    assert finished == [["outputs"]]
    assert status(here) == "Completed"


def test_a_publication_that_fails_writes_nothing_at_all(sqlite_store: Store) -> None:
    def refuse(record: Record, context: Context) -> Outcome:
        def half(tx: Transaction) -> None:
            mark(record, "half")(tx)
            raise errors.NotFound("The bucket is gone.")

        return Move(to="Completed", patch={"ExitMessage": "done"}, after_s=None, publish=half)

    with working(made(sqlite_store, refuse)) as here:
        create(here)
        until(lambda: status(here) == "Failed")
    assert published(sqlite_store) == []
    assert doc(here)["FailureReason"] == "The bucket is gone."
    assert "ExitMessage" not in doc(here)
    assert here.moves() == ["Failed"]


# --- requests that come while a step runs


def test_a_stop_while_a_step_runs_drops_its_outcome_and_runs_it_again(store: Store) -> None:
    entered, go_on = threading.Event(), threading.Event()
    seen: list[str] = []

    def step(record: Record, context: Context) -> Outcome:
        seen.append(record.status)
        if record.status == "Stopping":
            return Move(to="Stopped", after_s=None)
        entered.set()
        go_on.wait(10)
        return Move(to="Completed", after_s=None, publish=mark(record, "too late"))

    with working(made(store, step)) as here:
        create(here)
        assert entered.wait(10)
        here.call("StopProcessingJob", ProcessingJobName="job")
        go_on.set()
        until(lambda: status(here) == "Stopped")
    assert seen == ["InProgress", "Stopping"]
    assert published(store) == []
    assert here.moves() == ["Stopping", "Stopped"]


def stopped_or_waits(record: Record, context: Context) -> Outcome:
    return Move(to="Stopped", after_s=None) if record.status == "Stopping" else Wait(after_s=600)


def test_a_stop_reaches_a_job_that_waits_at_once(store: Store) -> None:
    with working(made(store, stopped_or_waits)) as here:
        create(here)
        until(lambda: waits(here, 1))
        asked = time.monotonic()
        here.call("StopProcessingJob", ProcessingJobName="job")
        until(lambda: status(here) == "Stopped")
        assert time.monotonic() - asked < 1.0


def test_a_stop_that_comes_while_the_step_decides_to_wait_is_not_forgotten(sqlite_store: Store) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def step(record: Record, context: Context) -> Outcome:
        if record.status == "InProgress":
            entered.set()
            go_on.wait(10)
        return stopped_or_waits(record, context)

    with working(made(sqlite_store, step)) as here:
        create(here)
        assert entered.wait(10)
        here.call("StopProcessingJob", ProcessingJobName="job")
        go_on.set()
        until(lambda: status(here) == "Stopped")


def waits(here: World, n: int) -> bool:
    """Whether n rows are in the loop's hands and wait there."""
    hands = list(here.loop._hands.values())
    return len(hands) == n and all(hand.is_waiting for hand in hands)


def test_a_row_that_rests_can_be_made_due_again_and_again(sqlite_store: Store) -> None:
    """Also at the very moment when its last step comes to rest."""

    def flip(record: Record, context: Context) -> Outcome:
        return Move(patch={"EndpointConfigName": record.doc["_wanted"], "_wanted": None}, after_s=None)

    here = world.made(sqlite_store, steps={"Endpoint": flip})
    with working(here):
        stores.insert(
            sqlite_store,
            stores.record("e", kind="Endpoint", status="InService", doc={"_wanted": "c0"}, due_at=1.0),
        )
        here.loop.wake()
        for n in range(1, 40):
            until(lambda: "_wanted" not in (here.find("Endpoint", "e") or stores.record("e")).doc)
            found = here.find("Endpoint", "e")
            assert found is not None
            with sqlite_store.write() as tx:
                tx.replace(
                    stores.record(
                        "e", kind="Endpoint", status="InService", doc={"_wanted": f"c{n}"}, due_at=1.0
                    ),
                    expect_rev=found.rev,
                )
            here.loop.wake()
        until(
            lambda: (here.find("Endpoint", "e") or stores.record("e")).doc.get("EndpointConfigName") == "c39"
        )
        until(lambda: not here.loop._hands)


# --- many rows


def rows(n: int, prefix: str = "m") -> list[Record]:
    return [
        stores.record(f"{prefix}{i:04}", kind=NOUN, status="InProgress", due_at=1.0 + i) for i in range(n)
    ]


@pytest.mark.slow
def test_thousands_of_waiting_rows_keep_nobody_waiting(sqlite_store: Store) -> None:
    stores.insert(sqlite_store, *rows(2000))
    looks: list[str] = []

    def step(record: Record, context: Context) -> Outcome:
        if record.key.name.startswith("m"):
            looks.append(record.key.name)
            return stopped_or_waits(record, context)
        return Move(to="Completed", after_s=None)

    with working(made(sqlite_store, step, threads=4)) as here:
        until(lambda: waits(here, 2000), within_s=30)
        assert len(looks) == len(set(looks)) == 2000
        started = time.monotonic()
        create(here, "quick")
        until(lambda: status(here, "quick") == "Completed")
        here.call("StopProcessingJob", ProcessingJobName="m0777")
        until(lambda: status(here, "m0777") == "Stopped")
        assert time.monotonic() - started < 2.0
        assert len(looks) <= 2002, "a wake looked at rows that nobody changed"


@pytest.mark.slow
def test_rows_that_keep_all_threads_busy_do_not_starve_new_ones(sqlite_store: Store) -> None:
    stores.insert(sqlite_store, *rows(300))

    def step(record: Record, context: Context) -> Outcome:
        if record.key.name.startswith("m"):
            return Wait(after_s=0.001)
        return Move(to="Completed", after_s=None)

    with working(made(sqlite_store, step, threads=2)) as here:
        create(here, "new")
        until(lambda: status(here, "new") == "Completed", within_s=20)


@pytest.mark.slow
def test_an_idle_loop_costs_next_to_nothing(sqlite_store: Store) -> None:
    stores.insert(sqlite_store, *rows(50))
    with working(made(sqlite_store, stopped_or_waits)) as here:
        until(lambda: waits(here, 50))
        used, began = time.process_time(), time.monotonic()
        until(lambda: time.monotonic() - began > 1.5)
        polling = 1.5 / 0.005 * 20e-6  # what this test itself uses for looking at the clock
        assert time.process_time() - used < 0.05 * 1.5 + polling


# --- several loops, and restarts


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
