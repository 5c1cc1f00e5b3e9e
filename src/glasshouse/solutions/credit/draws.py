"""A seeded source of draws whose sequence is the same on every machine and Python version."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import TypeVar

T = TypeVar("T")
_NORMAL = NormalDist()


class Draws:
    """Built on `random.Random.random` alone: the one method whose sequence Python promises to keep."""

    def __init__(self, *seed: object) -> None:
        self._source = random.Random("/".join(map(str, seed)))  # noqa: S311 - invented data, no secret

    def share(self) -> float:
        """A number in [0, 1)."""
        return self._source.random()

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return self.share() < probability

    def whole(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + int(self.share() * (high - low + 1))

    def normal(self, mean: float, deviation: float) -> float:
        """A normally distributed number."""
        return _NORMAL.inv_cdf(min(max(self.share(), 1e-12), 1 - 1e-12)) * deviation + mean

    def one_of(self, values: Sequence[T]) -> T:
        """One of the values, each as likely as the others."""
        return values[self.whole(0, len(values) - 1)]

    def weighted(self, weights: Mapping[T, float]) -> T:
        """One of the keys, as likely as its weight says."""
        mark = self.share() * math.fsum(weights.values())
        for value, weight in weights.items():
            mark -= weight
            if mark < 0:
                return value
        return next(reversed(list(weights)))

    def identifier(self, taken: set[str]) -> str:
        """Eight hexadecimal digits that are not yet taken; takes them."""
        while True:
            name = f"{int(self.share() * 2**32):08x}"
            if name not in taken:
                taken.add(name)
                return name
