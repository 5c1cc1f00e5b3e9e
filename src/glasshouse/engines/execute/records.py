"""The files of a run directory: what an executor and a keeper tell each other, and what outlives both.

Imported by the keeper, so only modules that load in about a millisecond.
"""

# pathlib would cost every job's start 5 ms
# ruff: noqa: PTH104, PTH123

from __future__ import annotations

import errno
import fcntl
import json
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SPEC = "spec.json"
"""What to run. Written once, by the first submit."""
STARTED = "started.json"
"""The keeper that took the job. Its existence means: never start this run again."""
STOP = "stop.json"
"""A wish to stop: {"at": seconds, "grace_s": seconds}."""
EXIT = "exit.json"
"""How it ended. Once there, nothing of the run is alive."""
LOCK = "keeper.lock"
"""Locked by the keeper for as long as it lives; the kernel lets go however it dies."""
SUBMIT = "submit.lock"
CONTROL = "control"
"""A FIFO that wakes the keeper."""

_FLOCK = "hhqqi4x"


def write(directory: str, name: str, value: dict[str, Any]) -> None:
    """Puts a JSON record in place whole and durable: nobody ever reads half of one."""
    path = f"{directory}/{name}"
    draft = f"{path}.{os.getpid()}.draft"
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, json.dumps(value).encode())
        os.fsync(fd)
    finally:
        os.close(fd)
    os.rename(draft, path)
    sync(directory)


def read(directory: str, name: str) -> dict[str, Any] | None:
    """The record, or None when there is none."""
    try:
        with open(f"{directory}/{name}", encoding="utf-8") as file:
            value: dict[str, Any] = json.load(file)
            return value
    except FileNotFoundError:
        return None


def sync(directory: str) -> None:
    """Makes a directory's entries durable."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def take(directory: str, name: str = LOCK) -> int | None:
    """A descriptor that holds the lock until this process ends, or None when another process has it."""
    fd = os.open(f"{directory}/{name}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        if error.errno in (errno.EACCES, errno.EAGAIN):
            return None
        raise
    return fd


def holder(directory: str, name: str = LOCK) -> int | None:
    """The process that holds the lock, or None. Asking takes nothing, so it never disturbs a taker.

    A POSIX lock belongs to a process and is gone when it dies or the machine restarts: no process
    number is ever compared with one read from a file.
    """
    try:
        fd = os.open(f"{directory}/{name}", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        wanted = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        answer = fcntl.fcntl(fd, fcntl.F_GETLK, wanted)
    finally:
        os.close(fd)
    kind, _, _, _, pid = struct.unpack(_FLOCK, answer)
    return None if kind == fcntl.F_UNLCK else int(pid)


def wake(directory: str) -> None:
    """Makes the keeper look at its directory now. Without a keeper, nothing."""
    try:
        fd = os.open(f"{directory}/{CONTROL}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.ENOENT):
            return
        raise
    try:
        os.write(fd, b"!")
    except BlockingIOError:
        pass
    finally:
        os.close(fd)
