"""The work loop: rows that are due are leased, their kind's step is run, and the outcome is written.

A step is `step(record, context) -> Move | Wait`. It may be run again after a crash at any point, so whatever it
starts must be found again by what the row says. What it writes appears together with the move, or not at all.
"""

from __future__ import annotations

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
AWAY_S = 1.0
"""The pause after the store refused."""
CLOCK_SLACK_S = 2.0
"""How far the clocks of servers that share a store may differ before a change is seen at the next heartbeat only."""
LEAST_NEW = 64
"""Rows leased and not looked at yet, at most (or four for each thread): the rest is left to other servers."""
MAX_FAILURES = 5
"""Failures in a row."""
FAILURES = "_failures"
LAST_FAILURE = "_last_failure"
"""Members that count the failures in a row and keep the reason of the last one, for the step to see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """The step did something: a new status (or the same), changed members, and when to look again.

    after_s: seconds until the next step; None when nothing is left to do.
    publish: writes more in the same transaction, such as a job's outputs.
    remove: the resource goes away.
    done: called once all of it is written; what it does may be lost in a crash.
    """

    to: str = ""
    patch: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    after_s: float | None = 0.0
    publish: Callable[[Transaction], None] | None = None
    remove: bool = False
    done: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Nothing changed; look again later. Nothing is written."""

    after_s: float


Outcome = Move | Wait
Step = Callable[[Record, Context], Outcome]


@dataclass(slots=True)
class _Hand:
    """A row that this loop holds. `rev` is the revision at which it last waited."""

    is_waiting: bool = False
    resume_at: float = 0.0
    rev: int = 0
    again: bool = False


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
        self._most_new = max(LEAST_NEW, 4 * threads)
        self._signal = threading.Condition()
        self._woken = True
        self._n_wakes = 0
        self._ending = False
        self._has_more = False
        self._n_new = 0
        self._n_working = 0
        self._hands: dict[Key, _Hand] = {}
        self._waiting: list[tuple[float, Key]] = []
        self._beat_at = 0.0
        self._recalled_at = 0.0
        self._main = threading.Thread(target=self._run, name="work-loop", daemon=True)

    def start(self) -> None:
        if self._store.is_exclusive:
            with self._store.write() as tx:
                tx.release_all()
        self._main.start()

    def wake(self) -> None:
        """Something became due: a new row, or one whose step waits and that was given a new due time."""
        with self._signal:
            self._woken = True
            self._n_wakes += 1
            self._signal.notify()

    def end(self, *, within_s: float | None = None) -> bool:
        """Starts no more steps, waits for those in hand, and gives up every lease.

        False when a step went on for longer than that; it is then cut off by the end of the process, as by a crash.
        """
        with self._signal:
            self._ending = True
            self._signal.notify()
        self._main.join()
        self._pool.shutdown(wait=False, cancel_futures=True)
        with self._signal:
            have_ended = self._signal.wait_for(lambda: self._n_working == 0, within_s)
        if have_ended:
            with self._store.write() as tx:
                tx.release(owner=self._owner)
        return have_ended

    # --- the loop's own thread

    def _run(self) -> None:
        pause_s = 0.0
        while True:
            try:
                woken = self._sleep(pause_s)
                if self._ending:
                    return
                self._beat()
                if woken:
                    self._recall_changed()
                self._take_due()
                self._resume_waiting()
                pause_s = 0.0
            except Exception:
                # The loop outlives a store that is away for a while; what it did not do stays due.
                log.exception("work.loop_failed")
                pause_s = AWAY_S

    def _sleep(self, at_least_s: float) -> bool:
        """Until something is to be done; whether somebody called wake."""
        with self._signal:
            if at_least_s:
                self._signal.wait_for(lambda: self._ending, at_least_s)
            if not (self._woken or self._ending or self._wants_more()):
                self._signal.wait(self._until_next())
            woken, self._woken = self._woken, False
            return woken

    def _until_next(self) -> float:
        if not self._waiting:
            return TICK_S
        return min(TICK_S, max(0.0, self._waiting[0][0] - self._clock.monotonic()))

    def _wants_more(self) -> bool:
        return self._has_more and self._n_new <= self._most_new // 2

    def _beat(self) -> None:
        """Says that this loop lives, and lets go of waiting rows that others took meanwhile."""
        if self._clock.monotonic() < self._beat_at:
            return
        if self._hands:
            with self._store.write(durable=False) as tx:
                tx.extend_leases(owner=self._owner, until=self._clock.now() + self._lease_s)
                held = tx.held(self._owner)
            with self._signal:
                lost = [key for key, hand in self._hands.items() if hand.is_waiting and key not in held]
                for key in lost:
                    del self._hands[key]
            self._recall(held)
        self._beat_at = self._clock.monotonic() + self._lease_s / 3

    def _recall_changed(self) -> None:
        """Rows whose step waits and that a request changed are looked at now."""
        since, self._recalled_at = self._recalled_at, self._clock.now()
        with self._signal:
            if not any(hand.is_waiting for hand in self._hands.values()):
                return
        with self._store.read() as view:
            self._recall(view.held(self._owner, due_after=since - CLOCK_SLACK_S))

    def _recall(self, held: Mapping[Key, int]) -> None:
        now = self._clock.monotonic()
        with self._signal:
            for key, rev in held.items():
                hand = self._hands.get(key)
                if hand is not None and hand.is_waiting and hand.rev != rev and hand.resume_at > now:
                    self._push(key, hand, resume_at=now)

    def _take_due(self) -> None:
        now = self._clock.now()
        room = self._most_new - self._n_new
        self._has_more = room <= 0
        if room <= 0:
            return
        with self._store.read() as view:
            if not view.has_due(now):
                return
        with self._store.write(durable=False) as tx:
            leased = tx.lease_due(owner=self._owner, now=now, until=now + self._lease_s, limit=room)
        self._has_more = len(leased) == room
        for record in leased:
            self._take(record.key)

    def _take(self, key: Key) -> None:
        with self._signal:
            hand = self._hands.get(key)
            if hand is not None and not hand.is_waiting:
                hand.again = True  # its step has just come to rest in another thread
                return
            self._hands[key] = _Hand()
            self._n_new += 1
        self._pool.submit(self._begin, key)

    def _resume_waiting(self) -> None:
        now = self._clock.monotonic()
        with self._signal:
            while self._waiting and self._waiting[0][0] <= now:
                resume_at, key = heapq.heappop(self._waiting)
                hand = self._hands.get(key)
                if hand is not None and hand.is_waiting and hand.resume_at == resume_at:
                    hand.is_waiting = False
                    self._pool.submit(self._work, key)

    # --- the threads of the pool

    def _begin(self, key: Key) -> None:
        with self._signal:
            self._n_new -= 1
            if self._wants_more():
                self._signal.notify()
        self._work(key)

    def _work(self, key: Key) -> None:
        with self._signal:
            self._n_working += 1
        try:
            self._run_steps(key)
        finally:
            with self._signal:
                self._n_working -= 1
                if self._ending:
                    self._signal.notify_all()

    def _run_steps(self, key: Key) -> None:
        """Runs steps until the resource waits, rests or is gone."""
        rev = 0
        try:
            while not self._ending:
                n_wakes = self._n_wakes
                with self._store.read() as view:
                    record = view.find(key, held_by=self._owner)
                delay, rev = self._one_step(record) if record is not None else (None, 0)
                if delay is None:
                    if self._let_go(key):
                        return
                elif delay > 0 and not self._is_changed(key, rev, n_wakes):
                    self._wait(key, delay, rev=rev)
                    return
        except Exception:
            # The store refused: what the step did was not written, so it is run again.
            log.exception("work.step_not_written", extra={"kind": key.kind, "resource": key.name})
            self._wait(key, AWAY_S, rev=rev)

    def _is_changed(self, key: Key, rev: int, n_wakes: int) -> bool:
        """Whether a request changed the row while its step ran."""
        if n_wakes == self._n_wakes:
            return False
        with self._store.read() as view:
            record = view.find(key)
        return record is None or record.rev != rev

    def _wait(self, key: Key, delay: float, *, rev: int) -> None:
        with self._signal:
            hand = self._hands[key]
            hand.is_waiting, hand.rev = True, rev
            self._push(key, hand, resume_at=self._clock.monotonic() + delay)
            if self._waiting[0][1] == key:
                self._signal.notify()

    def _push(self, key: Key, hand: _Hand, *, resume_at: float) -> None:
        """An older entry of the same row is passed over, since its time is no longer the hand's."""
        hand.resume_at = resume_at
        heapq.heappush(self._waiting, (resume_at, key))

    def _let_go(self, key: Key) -> bool:
        """False when the row was taken again meanwhile. The store ends a lease together with the due time."""
        with self._signal:
            hand = self._hands[key]
            if not hand.again:
                del self._hands[key]
                return True
            hand.again = False
            return False

    def _one_step(self, record: Record) -> tuple[float | None, int]:
        """Seconds until the next step (0 for at once, None when nothing is left to do), and the row's revision."""
        step = self._steps.get(record.key.kind)
        if step is None or record.due_at is None:
            return None, record.rev
        outcome = self._outcome(step, record)
        if isinstance(outcome, Wait):
            return max(outcome.after_s, 0.001), record.rev
        try:
            outcome = self._written(record, outcome)
        except Stale:
            return 0.0, record.rev
        if outcome.done is not None:
            outcome.done()
        return (None if outcome.remove else outcome.after_s), record.rev + 1

    def _outcome(self, step: Step, record: Record) -> Outcome:
        try:
            outcome = step(record, self._context_for(record))
        except errors.Retry as error:
            return self._again(record, str(error), after_s=error.after_s)
        except errors.Fatal as error:
            return self._failed(record, error.reason)
        except Exception as error:
            # An error nobody foresaw: tried again a few times, then the resource fails and says so.
            log.exception("work.step_failed", extra={"kind": record.key.kind, "resource": record.key.name})
            return self._again(record, f"{type(error).__name__}: {error}", after_s=0.5)
        if isinstance(outcome, Wait) and FAILURES in record.doc:
            return Move(patch={FAILURES: None, LAST_FAILURE: None}, after_s=max(outcome.after_s, 0.001))
        return outcome

    def _written(self, record: Record, move: Move) -> Move:
        """Writes the move, or what becomes of the resource when that is refused. Raises Stale."""
        try:
            self._write(record, move)
        except Stale:
            raise
        except (errors.Fatal, errors.WireError) as error:
            move = self._failed(record, str(error))
            self._write(record, move)
        except Exception as error:
            # Publishing failed, or the move is not declared: counts as a failure of the step, if it can be written.
            log.exception("work.move_failed", extra={"kind": record.key.kind, "resource": record.key.name})
            move = self._again(record, f"{type(error).__name__}: {error}", after_s=0.5)
            self._write(record, move)
        return move

    def _again(self, record: Record, reason: str, *, after_s: float) -> Move:
        failures = int(record.doc.get(FAILURES, 0)) + 1
        if failures >= MAX_FAILURES:
            return self._failed(record, reason)
        return Move(
            patch={FAILURES: failures, LAST_FAILURE: reason[:1024]}, after_s=after_s * 2 ** (failures - 1)
        )

    def _failed(self, record: Record, reason: str) -> Move:
        machine = self._kinds[record.key.kind].states
        if machine is None or machine.failed not in machine.moves.get(record.status, frozenset()):
            log.error("work.cannot_fail", extra={"resource": record.key.name, "status": record.status})
            return Move(patch={FAILURES: None, LAST_FAILURE: None}, after_s=60.0)
        return Move(
            to=machine.failed,
            patch={machine.reason_member: reason[:1024], FAILURES: None, LAST_FAILURE: None},
            reason=reason,
            after_s=None,
        )

    def _write(self, record: Record, move: Move) -> None:
        now = self._clock.now()
        kind = self._kinds[record.key.kind]
        patch = dict(move.patch)
        if FAILURES in record.doc and FAILURES not in patch:
            patch |= {FAILURES: None, LAST_FAILURE: None}
        with self._store.write() as tx:
            if move.remove:
                tx.replace(record, expect_rev=record.rev)
                tx.remove(record.key)
                events.deleted(tx, record, now=now)
            else:
                due_at = None if move.after_s is None else now + move.after_s
                events.changed(
                    tx, kind, record, now=now, to=move.to, patch=patch, due_at=due_at, reason=move.reason
                )
            if move.publish is not None:
                move.publish(tx)
