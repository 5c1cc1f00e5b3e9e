"""What somebody watching sees: each stage by name, its statuses as they come, and the time it took."""

from __future__ import annotations

import contextlib
import textwrap
import time
from collections.abc import Callable, Iterator
from typing import TextIO

Clock = Callable[[], float]
WIDTH = 96
"""Characters of a line."""


class Progress:
    """Writes stages to a stream, a line at a time, flushed at once."""

    def __init__(self, out: TextIO, *, n_stages: int, clock: Clock = time.monotonic) -> None:
        self._out = out
        self._clock = clock
        self._n_stages = n_stages
        self._begun = 0
        self._started = clock()
        self._last = ""

    @contextlib.contextmanager
    def stage(self, title: str) -> Iterator[None]:
        """Announces a stage, and after it how long it took."""
        self._begun += 1
        self._last = ""
        self.say(f"\n[{self._begun}/{self._n_stages}] {title}")
        started = self._clock()
        yield
        self.note(f"done in {self._clock() - started:.1f} s")

    def note(self, text: str) -> None:
        """A detail of the stage; a long one takes several lines."""
        indent = " " * 6
        self.say(
            textwrap.fill(
                text,
                WIDTH,
                initial_indent=indent,
                subsequent_indent=indent + "  ",
                break_long_words=False,
                break_on_hyphens=False,
            )
        )

    def status(self, status: str) -> None:
        """A status as it stands now; said only when it is another than the last."""
        if status != self._last:
            self._last = status
            self.note(f"{self._clock() - self._started:6.1f} s  {status}")

    def say(self, text: str) -> None:
        """A line of its own."""
        self._out.write(text + "\n")
        self._out.flush()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the first line."""
        return self._clock() - self._started
