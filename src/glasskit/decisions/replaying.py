"""Takes recorded decisions again and compares every bit."""

from __future__ import annotations

import dataclasses
import datetime
import math
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from glasskit.decisions import deciding

MISSING = "(nothing)"
"""What a difference tells of a member that is not there, which is not the same as null."""
COMPARED = ("margin", "prediction", "threshold", "outcome", "explanation", "reasons", "policy")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A part of a decision that comes out otherwise. where: its path, as in `explanation.values[3]`."""

    where: str
    recorded: object
    replayed: object

    def __str__(self) -> str:
        return f"{self.where} was {self.recorded!r} and is {self.replayed!r}"


def differences(decider: deciding.Decider, recorded: Mapping[str, Any]) -> list[Difference]:
    """What differs between a recorded decision and the same taken now; nothing if all bits are equal."""
    row = np.array([recorded["features"]], dtype=np.float64)
    (now,) = decider.decide(row, on=datetime.date.fromisoformat(recorded["on"]))
    return [
        found
        for name in COMPARED
        for found in _compared(name, recorded.get(name, MISSING), now.get(name, MISSING))
    ]


def _compared(where: str, then: Any, now: Any) -> Iterator[Difference]:
    if isinstance(then, Mapping) and isinstance(now, Mapping):
        for key in sorted({*then, *now}):
            yield from _compared(f"{where}.{key}", then.get(key, MISSING), now.get(key, MISSING))
    elif isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        for index, (old, new) in enumerate(zip(then, now, strict=True)):
            yield from _compared(f"{where}[{index}]", old, new)
    elif not _same(then, now):
        yield Difference(where=where, recorded=then, replayed=now)


def _same(then: object, now: object) -> bool:
    """Equal to the last bit, sign of zero included; NaN is itself."""
    if isinstance(then, float) and isinstance(now, float):
        if math.isnan(then) or math.isnan(now):
            return math.isnan(then) and math.isnan(now)
        return struct.pack("<d", then) == struct.pack("<d", now)
    return type(then) is type(now) and then == now
