"""A child process whose output goes on live, whose end is remembered, and which gets the signals we get."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

_TAIL_BYTES = 64 * 1024
_DRAIN_S = 5.0
"""How long to wait for the output of grandchildren that outlive the child."""

_FORWARDED = (signal.SIGTERM, signal.SIGINT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """`status` is the exit status, or 128 + the signal that ended it. `tail` is the end of its output.

    `interrupted` says that we passed a signal on.
    """

    status: int
    tail: str
    interrupted: bool


class _Output:
    """Copies a pipe to our standard output and keeps the end of it."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self._tail = bytearray()
        self._thread = threading.Thread(target=self._copy, daemon=True)
        self._thread.start()

    def _copy(self) -> None:
        while chunk := os.read(self._pipe, 65536):
            view = memoryview(chunk)
            while view:
                view = view[os.write(1, view) :]
            self._tail += chunk
            if len(self._tail) > 2 * _TAIL_BYTES:
                del self._tail[:-_TAIL_BYTES]

    def finish(self) -> str:
        self._thread.join(_DRAIN_S)
        return bytes(self._tail[-_TAIL_BYTES:]).decode("utf-8", "replace")


def run(argv: Sequence[str], *, folder: Path, environment: Mapping[str, str]) -> Finished:
    """Runs a command to its end. Its standard output and error are one stream, in the order it wrote them.

    Called from the main thread: SIGTERM and SIGINT are passed on while the child runs.
    """
    child = subprocess.Popen(
        argv, cwd=folder, env=dict(environment), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0
    )
    if child.stdout is None:
        raise AssertionError("a pipe was asked for")

    forwarded: list[int] = []

    def forward(number: int, frame: FrameType | None) -> None:
        forwarded.append(number)
        child.send_signal(number)

    before = {number: signal.signal(number, forward) for number in _FORWARDED}
    output = _Output(child.stdout.fileno())
    try:
        code = child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return Finished(
        status=code if code >= 0 else 128 - code, tail=output.finish(), interrupted=bool(forwarded)
    )
