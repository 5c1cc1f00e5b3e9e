"""How every job moves: prepare, run, publish. Each phase may be run again after a crash at any point.

    prepare   a fresh attempt folder: configuration and inputs
    run       the hosts run; the plan follows them
    publish   the outputs appear in the transaction that ends the job, or not at all
    abandon   the job cannot go on for a reason of ours: its hosts are ended first, then it fails

The row says which phase, which attempt and, once it runs, the executor's handle. A job the machine has forgotten is
tried again with files of its own; since publication and the last status are one transaction, one attempt is ever
published.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from glasshouse.kernel import errors
from glasshouse.kernel.context import Context
from glasshouse.kernel.jobs.folders import Attempt, attempt_of, attempts_removed
from glasshouse.kernel.objects import Place, Stored
from glasshouse.kernel.ports import Exited, Handle, Job, Lost, Running
from glasshouse.kernel.records import Record, Transaction
from glasshouse.kernel.work import FAILURES, LAST_FAILURE, MAX_FAILURES, Move, Outcome, Step, Wait

WORK = "_work"
LOOK_S = 0.1
FOLLOW_S = 1.0
MAX_ATTEMPTS = 5

Patch = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a job ends: its last status, changed members, and the stored content that gets a name."""

    to: str
    patch: Patch = field(default_factory=dict)
    files: tuple[tuple[Place, Stored], ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """What a look at a running job found: changed members, and what to remember until the next look."""

    patch: Patch = field(default_factory=dict)
    memory: Patch = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What differs between kinds of jobs.

    make_ready: builds what the job runs in. lay_out: fills the attempt's folder. job_of: the job as it is run.
    entered: members that change on entering "preparing", "running", "stopping", "publishing" or "restarting".
    follow: looks at the running job; the last time with final=True. finish: how it ended.
    stopped: how it ends when it is stopped before it ran. failed: how it ends for a reason of ours.
    attempts: how often it may be started when the machine forgets it.
    """

    make_ready: Callable[[Record, Context], None]
    lay_out: Callable[[Record, Context, Attempt], None]
    job_of: Callable[[Record, Context, Attempt], Job]
    entered: Callable[[Record, Context, str], Patch]
    follow: Callable[[Record, Context, Attempt, Patch, bool], Followed | None]
    finish: Callable[[Record, Context, Attempt, Exited], Ending]
    stopped: Callable[[Record, Context], Ending]
    failed: Callable[[Record, Context, str], Ending]
    attempts: Callable[[Record], int] = lambda _record: MAX_ATTEMPTS
    grace_s: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """One step of one job."""

    plan: Plan
    record: Record
    context: Context
    work: Patch

    @property
    def attempt(self) -> Attempt:
        return attempt_of(self.context.ports.settings, self.record, self.work["attempt"])

    @property
    def may_run(self) -> bool:
        """Whether hosts may have been started: the row says so, or the executor has left its mark."""
        return "handle" in self.work or self.attempt.run.exists()

    @property
    def is_stopping(self) -> bool:
        return self.record.status == "Stopping"


def step_of(plan: Plan) -> Step:
    """The step of a kind of job that follows the plan."""

    def step(record: Record, context: Context) -> Outcome:
        work = record.doc.get(WORK, {"phase": "ready", "attempt": 1})
        run = _Run(plan=plan, record=record, context=context, work=work)
        if record.doc.get(FAILURES, 0) >= MAX_FAILURES - 1 and work["phase"] != "abandon":
            return _abandon(run, f"InternalError: {record.doc.get(LAST_FAILURE, 'the job could not go on')}")
        try:
            return _PHASES[work["phase"]](run)
        except errors.Fatal as error:
            return _abandon(run, error.reason)
        except errors.WireError as error:
            return _abandon(run, f"ClientError: {error.message}")

    return step


def _abandon(run: _Run, reason: str) -> Outcome:
    """Fails the job, at once when none of its hosts can be running."""
    if run.work["phase"] == "run" and run.may_run:
        return Move(patch={WORK: {**run.work, "phase": "abandon", "reason": reason}})
    return _end(run, run.plan.failed(run.record, run.context, reason))


def _abandoned(run: _Run) -> Outcome:
    executor = run.context.ports.executor
    handle = _handle(run)
    if isinstance(executor.look(handle), Running):
        executor.stop(handle, grace_s=0)
        return Wait(after_s=LOOK_S)
    return _end(run, run.plan.failed(run.record, run.context, run.work["reason"]))


def _handle(run: _Run) -> Handle:
    """The handle in the row, or the one that was lost when the row could not be written after the start."""
    if "handle" in run.work:
        return Handle(run.work["handle"])
    return run.context.ports.executor.submit(run.plan.job_of(run.record, run.context, run.attempt))


def _ready(run: _Run) -> Outcome:
    if run.is_stopping:
        return _end(run, run.plan.stopped(run.record, run.context))
    run.plan.make_ready(run.record, run.context)
    return _enter(run, "preparing", {**run.work, "phase": "prepare"})


def _prepare(run: _Run) -> Outcome:
    if run.is_stopping:
        return _end(run, run.plan.stopped(run.record, run.context))
    run.attempt.made_fresh()
    run.plan.lay_out(run.record, run.context, run.attempt)
    return _enter(run, "running", {**run.work, "phase": "run"})


def _running(run: _Run) -> Outcome:
    executor = run.context.ports.executor
    if "handle" not in run.work:
        if run.is_stopping and not run.may_run:
            return _end(run, run.plan.stopped(run.record, run.context))
        return Move(patch={WORK: {**run.work, "handle": _handle(run)}}, after_s=LOOK_S)
    found = executor.look(Handle(run.work["handle"]))
    if isinstance(found, Lost):
        return _lost(run)
    if isinstance(found, Exited):
        followed = run.plan.follow(run.record, run.context, run.attempt, run.work.get("memory", {}), True)
        patch = followed.patch if followed else {}
        work = {**run.work, "phase": "publish", "exited": dataclasses.asdict(found)}
        return _enter(run, "publishing", work, patch)
    if run.is_stopping and not run.work.get("stopping"):
        executor.stop(Handle(run.work["handle"]), grace_s=run.plan.grace_s)
        return _enter(run, "stopping", {**run.work, "stopping": True}, after_s=LOOK_S)
    return _follow(run)


def _follow(run: _Run) -> Outcome:
    """The plan's look at a running job, about once a second; written only when something is new."""
    now = run.context.ports.clock.now()
    memory = run.work.get("memory", {})
    if now - memory.get("at", 0.0) < FOLLOW_S:
        return Wait(after_s=LOOK_S)
    followed = run.plan.follow(run.record, run.context, run.attempt, memory, False)
    if followed is None:
        return Wait(after_s=LOOK_S)
    work = {**run.work, "memory": {**memory, **followed.memory, "at": now}}
    return Move(patch={**followed.patch, WORK: work}, after_s=LOOK_S)


def _publish(run: _Run) -> Outcome:
    exited = Exited(**run.work["exited"])
    return _end(run, run.plan.finish(run.record, run.context, run.attempt, exited))


def _lost(run: _Run) -> Outcome:
    """The machine forgot the job: another attempt, with files of its own."""
    if run.is_stopping:
        return _end(run, run.plan.stopped(run.record, run.context))
    if run.work["attempt"] >= run.plan.attempts(run.record):
        reason = f"InternalError: the job was interrupted {run.work['attempt']} times on this machine."
        return _end(run, run.plan.failed(run.record, run.context, reason))
    return _enter(run, "restarting", {"phase": "ready", "attempt": run.work["attempt"] + 1})


def _enter(
    run: _Run, phase: str, work: Patch, patch: Patch | None = None, *, after_s: float = 0.0
) -> Outcome:
    entered = run.plan.entered(run.record, run.context, phase)
    return Move(patch={**(patch or {}), **entered, WORK: work}, after_s=after_s)


def _end(run: _Run, ending: Ending) -> Outcome:
    """The last move. The folders of all attempts go once the outcome is written."""
    service = run.context.ports.objects
    settings = run.context.ports.settings

    def publish(tx: Transaction) -> None:
        for place, stored in ending.files:
            service.publish(tx, place, stored)

    return Move(
        to=ending.to,
        patch={**ending.patch, WORK: None},
        reason=ending.reason,
        after_s=None,
        publish=publish,
        done=lambda: attempts_removed(settings, run.record, run.work["attempt"]),
    )


_PHASES: Mapping[str, Callable[[_Run], Outcome]] = {
    "ready": _ready,
    "prepare": _prepare,
    "run": _running,
    "publish": _publish,
    "abandon": _abandoned,
}
