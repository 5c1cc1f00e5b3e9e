"""The work loop: what steps say is written, once, whatever happens at the same time."""

from __future__ import annotations

import threading
import time

import pytest

from glasshouse.kernel import errors
from glasshouse.kernel.context import Context
from glasshouse.kernel.records import Record, Store, Transaction
from glasshouse.kernel.work import Move, Outcome, Wait
from tests.kernel.worked import (
    NOUN,
    create,
    doc,
    done,
    made,
    mark,
    published,
    rows,
    status,
    stopped_or_waits,
    waits,
)
from tests.support import stores, world
from tests.support.world import until, working

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
