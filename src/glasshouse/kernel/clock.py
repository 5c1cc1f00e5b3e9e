"""The only place that reads the wall clock; everything else is handed a Clock."""

from __future__ import annotations

import datetime as dt
import time
from typing import Protocol


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since the epoch, UTC."""

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


def as_datetime(seconds: float) -> dt.datetime:
    """An aware UTC datetime for seconds since the epoch."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC)
