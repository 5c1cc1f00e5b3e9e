"""Finding and ending what is left of a run whose keeper was killed.

The kernel ends a sandbox with its keeper, except in the instant in which bwrap has cloned its child and
not yet tied it to itself. Every process of ours outside a job's own program carries the run's mark in
its environment, so that such a child is found.
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


def end(mark: str) -> bool:
    """Kills every process that carries the mark; whether all were gone in time."""
    deadline = time.monotonic() + _DEATH_S
    while time.monotonic() < deadline:
        left = [process for process in _marked(mark) if not _killed(process, deadline)]
        if not left:
            return True
    return False


def _marked(mark: str) -> list[int]:
    wanted = f"{VARIABLE}={mark}".encode()
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            try:
                with open(f"/proc/{name}/environ", "rb") as file:
                    if wanted in file.read().split(b"\0"):
                        found.append(int(name))
            except OSError:
                continue  # another user's, or gone meanwhile
    return found


def _killed(pid: int, deadline: float) -> bool:
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:
        return True
    try:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        ended = select.poll()
        ended.register(pidfd, select.POLLIN)
        return bool(ended.poll(max(0.0, deadline - time.monotonic()) * 1000))
    except ProcessLookupError:
        return True
    finally:
        os.close(pidfd)
