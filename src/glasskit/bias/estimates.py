"""Estimates that know their own confidence interval.

A metric says what it is made of (a difference of two shares, a quotient of two ratios) and gets its value and, where
there is a formula, its interval from that. Counts may be numbers, or arrays of one number per replicate.

Intervals: one share by Wilson's score; the difference of two shares by Newcombe's hybrid score (1998, method 10),
which stays inside [−1, 1]; the quotient of two shares on the log scale (Katz et al. 1978); ratios of overlapping
counts of one sample by the delta method under multinomial sampling:
var(A/B) ≈ (A/B²)(1 + A/B − 2·|A∩B|/B).
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from glasskit.bias import arithmetic, faults
from glasskit.bias.arithmetic import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A confidence interval; `method` says how it was found."""

    low: float
    high: float
    confidence: float
    method: str

    def holds(self, value: float) -> bool:
        """Whether the value lies in the interval."""
        return self.low <= value <= self.high


class Estimate(Protocol):
    """What a metric returns."""

    @property
    def value(self) -> Floats: ...

    @property
    def denominators(self) -> tuple[Floats, ...]:
        """The counts below the line."""

    def interval(self, confidence: float) -> Interval | None:
        """The interval by formula; None where there is none."""


def _z(confidence: float) -> float:
    return statistics.NormalDist().inv_cdf(0.5 + confidence / 2)


@dataclass(frozen=True, slots=True, eq=False)
class Measure:
    """A value with no formula for its interval."""

    value: Floats

    @property
    def denominators(self) -> tuple[Floats, ...]:
        return ()

    def interval(self, confidence: float) -> Interval | None:
        return None


@dataclass(frozen=True, slots=True, eq=False)
class Share:
    """`above` of `below` independent rows."""

    above: Floats
    below: Floats

    @property
    def value(self) -> Floats:
        return arithmetic.ratio(self.above, self.below)

    @property
    def denominators(self) -> tuple[Floats, ...]:
        return (self.below,)

    def wilson(self, confidence: float) -> tuple[float, float]:
        """Wilson's score interval; all of [0, 1] where there are no rows."""
        n, p, z = float(self.below), float(self.value), _z(confidence)
        if not n:
            return 0.0, 1.0
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        return min(p, max(0.0, middle - half)), max(p, min(1.0, middle + half))

    def interval(self, confidence: float) -> Interval | None:
        low, high = self.wilson(confidence)
        return Interval(low=low, high=high, confidence=confidence, method="wilson")

    def variance(self) -> float | None:
        p, n = float(self.value), float(self.below)
        return p * (1 - p) / n if n else None


@dataclass(frozen=True, slots=True, eq=False)
class Contrast:
    """2·share − 1: how far one part of a whole outweighs the other."""

    share: Share

    @property
    def value(self) -> Floats:
        return arithmetic.ratio(2 * self.share.above - self.share.below, self.share.below)

    @property
    def denominators(self) -> tuple[Floats, ...]:
        return self.share.denominators

    def interval(self, confidence: float) -> Interval | None:
        low, high = self.share.wilson(confidence)
        value = float(self.value)
        return Interval(
            low=min(value, 2 * low - 1), high=max(value, 2 * high - 1), confidence=confidence, method="wilson"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Ratio:
    """Two counts of one sample; `both` rows are in either."""

    above: Floats
    below: Floats
    both: Floats

    @property
    def value(self) -> Floats:
        return arithmetic.ratio(self.above, self.below)

    @property
    def denominators(self) -> tuple[Floats, ...]:
        return (self.below,)

    def variance(self) -> float | None:
        """By the delta method; None where a count is 0."""
        above, below, both = float(self.above), float(self.below), float(self.both)
        if not above or not below:
            return None
        return max(0.0, above / below**2 * (1 + above / below - 2 * both / below))


@dataclass(frozen=True, slots=True, eq=False)
class Difference:
    """left − right, of two shares or two ratios of samples that are independent of each other."""

    left: Share | Ratio
    right: Share | Ratio

    @property
    def value(self) -> Floats:
        return arithmetic.difference(self.left.value, self.right.value)

    @property
    def denominators(self) -> tuple[Floats, ...]:
        return (*self.left.denominators, *self.right.denominators)

    def interval(self, confidence: float) -> Interval | None:
        if isinstance(self.left, Share) and isinstance(self.right, Share):
            return _newcombe(self.left, self.right, confidence)
        variances = (self.left.variance(), self.right.variance())
        if variances[0] is None or variances[1] is None:
            return None
        half, value = _z(confidence) * math.sqrt(variances[0] + variances[1]), float(self.value)
        return Interval(low=value - half, high=value + half, confidence=confidence, method="delta")


def _newcombe(left: Share, right: Share, confidence: float) -> Interval:
    p, q = float(left.value), float(right.value)
    (p_low, p_high), (q_low, q_high) = left.wilson(confidence), right.wilson(confidence)
    low = p - q - math.hypot(p - p_low, q_high - q)
    high = p - q + math.hypot(p_high - p, q - q_low)
    return Interval(low=max(-1.0, low), high=min(1.0, high), confidence=confidence, method="newcombe")


@dataclass(frozen=True, slots=True, eq=False)
class Quotient:
    """above / below, of two shares of samples that are independent of each other."""

    above: Share
    below: Share

    @property
    def value(self) -> Floats:
        return arithmetic.ratio(self.above.value, self.below.value)

    @property
    def denominators(self) -> tuple[Floats, ...]:
        return (*self.above.denominators, *self.below.denominators)

    def interval(self, confidence: float) -> Interval | None:
        x, n = float(self.above.above), float(self.above.below)
        y, m = float(self.below.above), float(self.below.below)
        if not x or not y:
            return None
        factor = math.exp(_z(confidence) * math.sqrt(max(0.0, 1 / x - 1 / n + 1 / y - 1 / m)))
        value = float(self.value)
        return Interval(
            low=value / factor, high=value * factor, confidence=confidence, method="delta of the logarithm"
        )


def unless(undefined: Floats | np.bool_ | np.ndarray, reason: str, value: Floats) -> Floats:
    """The value; NaN in replicates where it is undefined. Raises Undefined where there are no replicates."""
    where = np.asarray(undefined)
    if where.ndim == 0 and where:
        raise faults.Undefined(reason)
    return np.where(where, np.nan, value)
