"""Finding and ending what is left of a run whose keeper was killed.

The kernel ends a sandbox with its keeper, except in the instant in which bwrap has cloned its child and
not yet tied it to itself. The keeper and every process it starts, up to a job's own program, carry the
run's mark in their environment, so that such a child is found.
"""

# pathlib would cost every job's start 5 ms
# ruff: noqa: PTH123, PTH208

from __future__ import annotations

import os
import select
import signal
import time

VARIABLE = "GLASSHOUSE_RUN"
_DEATH_S = 5.0
_PF_EXITING = 4


def end(mark: str) -> bool:
    """Kills every process that carries the mark; whether all were gone in time."""
    deadline = time.monotonic() + _DEATH_S
    while time.monotonic() < deadline:
        left = [process for process in _marked(mark) if not _killed(process, deadline)]
        if not left:
            return all(_ended(process, deadline) for process in _dying())
    return False


def born(pid: int) -> str | None:
    """What tells a process from another with its number: the boot, and the clock tick it started at."""
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    boot = _read("/proc/sys/kernel/random/boot_id").strip()
    return f"{boot}/{fields[19]}" if len(fields) > 19 else None


def await_end(pid: int, born_at: str) -> bool:
    """Waits for the end of a keeper that has let go of its lock; whether it came in time.

    A dying process lets go of its files some time before the kernel kills what is tied to it.
    """
    deadline = time.monotonic() + _DEATH_S
    while born(pid) == born_at:
        if time.monotonic() > deadline:
            return False
        if _killed(pid, deadline):
            return True
    return True


def _marked(mark: str) -> list[int]:
    wanted = f"{VARIABLE}={mark}"
    return [pid for pid in _others() if wanted in _read(f"/proc/{pid}/environ").split("\0")]


def _dying() -> list[int]:
    """Processes of any sandbox that the kernel is about to end.

    They have no environment left to be known by. The first of a sandbox ends only after all others.
    """
    return [pid for pid in _others() if _is_dying(_read(f"/proc/{pid}/stat")) and _is_sandboxed(pid)]


def _is_dying(stat: str) -> bool:
    fields = stat.rpartition(")")[2].split()
    return len(fields) > 6 and fields[0] not in "ZX" and bool(int(fields[6]) & _PF_EXITING)


def _is_sandboxed(pid: int) -> bool:
    """Whether it has a number in a process namespace below ours."""
    numbers = [line for line in _read(f"/proc/{pid}/status").splitlines() if line.startswith("NSpid:")]
    return any(len(line.split()) > 2 for line in numbers)


def _others() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""  # another user's, or gone meanwhile


def _killed(pid: int, deadline: float) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return True
    return _ended(pid, deadline)


def _ended(pid: int, deadline: float) -> bool:
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        ended = select.poll()
        ended.register(pidfd, select.POLLIN)
        return bool(ended.poll(max(0.0, deadline - time.monotonic()) * 1000))
    finally:
        os.close(pidfd)
