"""The work loop: rows that are due are leased, their kind's step is run, and the outcome is written.

A step is `step(record, context) -> Move | Wait`. It may be run again after a crash at any point, so whatever it
starts must be found again by what the row says. What it writes appears together with the move, or not at all.
"""

from __future__ import annotations

import dataclasses
import heapq
import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from glasshouse.kernel import errors, events, ids
from glasshouse.kernel.clock import Clock
from glasshouse.kernel.context import Context
from glasshouse.kernel.kinds import Kind
from glasshouse.kernel.records import Key, Record, Stale, Store, Transaction

log = logging.getLogger(__name__)

TICK_S = 0.2
BATCH = 64
MAX_FAILURES = 5
FAILURES = "_failures"


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """The step did something: a new status (or the same), changed members, and when to look again.

    after_s: seconds until the next step; None when nothing is left to do.
    publish: writes more in the same transaction, such as a job's outputs.
    remove: the resource goes away.
    """

    to: str = ""
    patch: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    after_s: float | None = 0.0
    publish: Callable[[Transaction], None] | None = None
    remove: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Nothing changed; look again later. Nothing is written."""

    after_s: float


Outcome = Move | Wait
Step = Callable[[Record, Context], Outcome]


class WorkLoop:
    """Carries resources forward. One a process; several processes may share one store."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        kinds: Mapping[str, Kind],
        steps: Mapping[str, Step],
        context_for: Callable[[Record], Context],
        threads: int,
        lease_s: float,
    ) -> None:
        self._store = store
        self._clock = clock
        self._kinds = kinds
        self._steps = steps
        self._context_for = context_for
        self._lease_s = lease_s
        self._owner = ids.token(8)
        self._pool = ThreadPoolExecutor(max_workers=threads, thread_name_prefix="work")
        self._signal = threading.Condition()
        self._woken = False
        self._ending = False
        self._held: set[Key] = set()
        self._waiting: list[tuple[float, Key]] = []
        self._main = threading.Thread(target=self._run, name="work-loop", daemon=True)

    def start(self) -> None:
        if self._store.is_exclusive:
            with self._store.write() as tx:
                tx.release_all()
        self._main.start()

    def wake(self) -> None:
        """Something became due, or something that waits should be looked at now."""
        with self._signal:
            self._woken = True
            self._signal.notify()

    def end(self) -> None:
        """Finishes the steps in hand, starts no more, and gives up every lease."""
        with self._signal:
            self._ending = True
            self._signal.notify()
        self._main.join()
        self._pool.shutdown(wait=True)
        with self._store.write() as tx:
            for key in self._held:
                tx.release(key, owner=self._owner)

    def _run(self) -> None:
        beat_at = 0.0
        while not self._ending:
            try:
                if self._clock.monotonic() >= beat_at:
                    self._heartbeat()
                    beat_at = self._clock.monotonic() + self._lease_s / 3
                self._take_due()
                self._resume_waiting()
            except Exception:
                # The loop outlives a store that is away for a while; what it did not do stays due.
                log.exception("work.loop_failed")
            self._sleep()

    def _sleep(self) -> None:
        with self._signal:
            if not self._woken and not self._ending:
                self._signal.wait(self._until_next())
            if self._woken:
                self._waiting = [(0.0, key) for _, key in self._waiting]
            self._woken = False

    def _until_next(self) -> float:
        if not self._waiting:
            return TICK_S
        return min(TICK_S, max(0.0, self._waiting[0][0] - self._clock.monotonic()))

    def _heartbeat(self) -> None:
        if self._held:
            with self._store.write(durable=False) as tx:
                tx.extend_leases(owner=self._owner, until=self._clock.now() + self._lease_s)

    def _take_due(self) -> None:
        now = self._clock.now()
        with self._store.read() as view:
            if not view.has_due(now):
                return
        with self._store.write(durable=False) as tx:
            leased = tx.lease_due(owner=self._owner, now=now, until=now + self._lease_s, limit=BATCH)
        for record in leased:
            with self._signal:
                self._held.add(record.key)
            self._pool.submit(self._work, record.key)

    def _resume_waiting(self) -> None:
        now = self._clock.monotonic()
        ready: list[Key] = []
        with self._signal:
            while self._waiting and self._waiting[0][0] <= now:
                ready.append(heapq.heappop(self._waiting)[1])
        for key in ready:
            self._pool.submit(self._work, key)

    def _work(self, key: Key) -> None:
        """Runs steps until the resource waits, rests or is gone."""
        try:
            while not self._ending:
                delay = self._one_step(key)
                if delay is None:
                    self._let_go(key)
                    return
                if delay > 0:
                    self._wait(key, delay)
                    return
        except Exception:
            # The store refused: the lease runs out and the step is run again.
            log.exception("work.step_not_written", extra={"kind": key.kind, "resource": key.name})
            self._wait(key, TICK_S)

    def _wait(self, key: Key, delay: float) -> None:
        with self._signal:
            heapq.heappush(self._waiting, (self._clock.monotonic() + delay, key))
            self._signal.notify()

    def _let_go(self, key: Key) -> None:
        """A row that is not due has no lease any more: the store clears it with the due time."""
        with self._signal:
            self._held.discard(key)

    def _one_step(self, key: Key) -> float | None:
        """Seconds until the next step; 0 for at once, None when nothing is left to do."""
        with self._store.read() as view:
            record = view.find(key)
        step = self._steps.get(key.kind)
        if record is None or record.due_at is None or step is None:
            return None
        outcome = self._outcome(step, record)
        if isinstance(outcome, Wait):
            return max(outcome.after_s, 0.001)
        try:
            self._write(record, outcome)
        except Stale:
            return 0.0
        return None if outcome.remove else outcome.after_s

    def _outcome(self, step: Step, record: Record) -> Outcome:
        try:
            return step(record, self._context_for(record))
        except errors.Retry as error:
            return self._again(record, str(error), after_s=error.after_s)
        except errors.Fatal as error:
            return self._failed(record, error.reason)
        except Exception as error:
            # An error nobody foresaw: tried again a few times, then the resource fails and says so.
            log.exception("work.step_failed", extra={"kind": record.key.kind, "resource": record.key.name})
            return self._again(record, f"{type(error).__name__}: {error}", after_s=0.5)

    def _again(self, record: Record, reason: str, *, after_s: float) -> Outcome:
        failures = int(record.doc.get(FAILURES, 0)) + 1
        if failures >= MAX_FAILURES:
            return self._failed(record, reason)
        return Move(patch={FAILURES: failures}, after_s=after_s * 2 ** (failures - 1))

    def _failed(self, record: Record, reason: str) -> Outcome:
        machine = self._kinds[record.key.kind].states
        if machine is None or machine.failed not in machine.moves.get(record.status, frozenset()):
            log.error("work.cannot_fail", extra={"resource": record.key.name, "status": record.status})
            return Move(patch={FAILURES: None}, after_s=60.0)
        return Move(
            to=machine.failed,
            patch={machine.reason_member: reason[:1024], FAILURES: None},
            reason=reason,
            after_s=None,
        )

    def _write(self, record: Record, move: Move) -> None:
        now = self._clock.now()
        kind = self._kinds[record.key.kind]
        patch = dict(move.patch)
        if FAILURES in record.doc and FAILURES not in patch:
            patch[FAILURES] = None
        with self._store.write() as tx:
            if move.remove:
                tx.replace(dataclasses.replace(record), expect_rev=record.rev)
                tx.remove(record.key)
                events.deleted(tx, record)
            else:
                due_at = None if move.after_s is None else now + move.after_s
                events.changed(
                    tx, kind, record, now=now, to=move.to, patch=patch, due_at=due_at, reason=move.reason
                )
            if move.publish is not None:
                move.publish(tx)
