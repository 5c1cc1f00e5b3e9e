"""A clock that stands until it is moved."""

from __future__ import annotations

import time


class HandClock:
    """`now` moves by `tick_s` with every look, and by `move`; the monotonic one is the machine's."""

    def __init__(self, now: float = 1_700_000_000.0, *, tick_s: float = 0.0) -> None:
        self._now = now
        self._tick_s = tick_s

    def now(self) -> float:
        self._now += self._tick_s
        return self._now

    def monotonic(self) -> float:
        return time.monotonic()

    def move(self, seconds: float) -> None:
        self._now += seconds
