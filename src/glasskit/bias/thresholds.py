"""Thresholds on a model's scores that keep facets alike, at the least cost of errors.

Thresholds that differ by facet treat people differently because of a protected attribute. Some laws forbid that even
when it evens out results (in the US: the Equal Credit Opportunity Act and Title VII for their fields), and it needs the
attribute at the time of decision. `per_facet=False` finds one threshold for all.

Source: Hardt, Price and Srebro, "Equality of Opportunity in Supervised Learning" (2016), with deterministic thresholds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from glasskit.bias import columns, faults
from glasskit.bias.arithmetic import Floats
from glasskit.bias.counts import Flags

Constraint = Literal["demographic_parity", "equal_opportunity"]
_ROUNDING = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """A row is accepted when its score lies above its facet's threshold.

    rates: what the constraint bounds, by facet: the share accepted, or the share accepted of those with the favourable
    label. gap: the greatest difference between them. cost: of all errors; accuracy: share of right decisions.
    """

    by_facet: Mapping[object, float]
    rates: Mapping[object, float]
    gap: float
    cost: float
    accuracy: float

    def decide(self, score: npt.ArrayLike, facet: npt.ArrayLike) -> Flags:
        """Which rows are accepted; score, facet: (n,). Raises Unusable for a facet that has no threshold."""
        groups = np.asarray(facet)
        limits = np.full(len(groups), np.nan)
        for value, limit in self.by_facet.items():
            limits[groups == value] = limit
        unknown = np.flatnonzero(np.isnan(limits))
        if len(unknown):
            raise faults.Unusable(
                f"row {unknown[0] + 1} has facet {columns.plain(groups[unknown[0]])!r}, which has no threshold"
            )
        return np.asarray(np.asarray(score) > limits)


@dataclass(frozen=True, slots=True, eq=False)
class _Curve:
    """What each threshold of one facet gives, from the highest threshold to the lowest."""

    limits: Floats
    rates: Floats
    costs: Floats
    right: Floats


def optimise(
    score: npt.ArrayLike,
    label: npt.ArrayLike,
    facet: npt.ArrayLike,
    *,
    constraint: Constraint,
    bound: float,
    per_facet: bool = True,
    cost_false_positive: float = 1.0,
    cost_false_negative: float = 1.0,
) -> Thresholds:
    """The thresholds of least cost under which the rates of any two facets differ by at most `bound`.

    score: (n,) numbers, higher is more favourable; label: (n,) 0/1; facet: (n,) values. constraint: what rate is
    bounded: acceptance (demographic parity) or recall (equal opportunity). The search is exact over all thresholds;
    accepting nobody always satisfies the bound. Ties go to the smaller gap. Raises Unusable.
    """
    scores, labels, groups = _checked(score, label, facet, bound)
    values = sorted(set(groups.tolist()), key=lambda value: (isinstance(value, str), value))
    prices = (cost_false_positive, cost_false_negative)
    cuts = _cuts(scores)
    curves = [
        _curve(
            scores[groups == value],
            labels[groups == value],
            _cuts(scores[groups == value]) if per_facet else cuts,
            constraint,
            prices,
            str(value),
        )
        for value in values
    ]
    best = _apart(curves, bound) if per_facet else _shared(curves, bound)
    rates = [float(curve.rates[at]) for curve, at in zip(curves, best, strict=True)]
    return Thresholds(
        by_facet={value: float(c.limits[at]) for value, c, at in zip(values, curves, best, strict=True)},
        rates=dict(zip(values, rates, strict=True)),
        gap=max(rates) - min(rates),
        cost=sum(float(curve.costs[at]) for curve, at in zip(curves, best, strict=True)),
        accuracy=sum(float(curve.right[at]) for curve, at in zip(curves, best, strict=True)) / len(scores),
    )


def _checked(
    score: npt.ArrayLike, label: npt.ArrayLike, facet: npt.ArrayLike, bound: float
) -> tuple[Floats, Flags, npt.NDArray[Any]]:
    scores, labels, groups = np.asarray(score, np.float64), np.asarray(label), np.asarray(facet)
    if not scores.shape == labels.shape == groups.shape or scores.ndim != 1:
        raise faults.Unusable(
            f"score {scores.shape}, label {labels.shape} and facet {groups.shape} need one value per row"
        )
    if not len(scores):
        raise faults.Unusable("there are no rows")
    if not 0 <= bound <= 1:
        raise faults.Unusable(f"bound {bound} does not lie between 0 and 1")
    for name, wrong in (("score", ~np.isfinite(scores)), ("label", ~np.isin(labels, (0, 1)))):
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise faults.Unusable(
                f"{name} is {np.asarray([scores, labels][name == 'label'])[row]} in row {row + 1}"
            )
    return scores, labels.astype(np.bool_), groups


def _cuts(scores: Floats) -> Floats:
    """Thresholds between the different scores, descending: the greatest score accepts nobody, −∞ everybody."""
    different = np.unique(scores)[::-1]
    upper, lower = different[:-1], different[1:]
    middle = lower + (upper - lower) / 2
    return np.concatenate([different[:1], np.where(middle < upper, middle, lower), [-np.inf]])


def _curve(
    scores: Floats,
    labels: Flags,
    limits: Floats,
    constraint: Constraint,
    prices: tuple[float, float],
    name: str,
) -> _Curve:
    ascending = np.sort(scores)
    good = np.sort(scores[labels])
    accepted = len(ascending) - np.searchsorted(ascending, limits, side="right")
    found = len(good) - np.searchsorted(good, limits, side="right")
    if constraint == "demographic_parity":
        rates = accepted / len(scores)
    elif len(good):
        rates = found / len(good)
    else:
        raise faults.Unusable(f"facet {name!r} has no row with label 1; its opportunity is undefined")
    wrongly, missed = accepted - found, len(good) - found
    return _Curve(
        limits=limits,
        rates=rates,
        costs=prices[0] * wrongly + prices[1] * missed,
        right=(len(scores) - wrongly - missed).astype(np.float64),
    )


def _shared(curves: list[_Curve], bound: float) -> list[int]:
    """One threshold for all facets."""
    rates = np.stack([curve.rates for curve in curves])
    gaps = rates.max(axis=0) - rates.min(axis=0)
    costs = np.sum([curve.costs for curve in curves], axis=0)
    costs = np.where(gaps <= bound + _ROUNDING, costs, np.inf)
    at = int(np.lexsort((gaps, costs))[0])
    return [at] * len(curves)


def _apart(curves: list[_Curve], bound: float) -> list[int]:
    """A threshold for each facet: the rates lie in a window [low, low + bound], and low is one of the rates.

    Each facet takes its cheapest threshold within the window; all windows are tried, by range minima in O(log n).
    """
    lows = np.unique(np.concatenate([curve.rates for curve in curves]))
    total = np.zeros(len(lows))
    picks = []
    for curve in curves:
        first = np.searchsorted(curve.rates, lows - _ROUNDING, side="left")
        last = np.searchsorted(curve.rates, lows + bound + _ROUNDING, side="right")
        pick = _cheapest(curve.costs, first, last)
        picks.append(pick)
        total += np.where(pick >= 0, curve.costs[pick], np.inf)
    rates = np.stack([curve.rates[pick] for curve, pick in zip(curves, picks, strict=True)])
    best = int(np.lexsort((rates.max(axis=0) - rates.min(axis=0), total))[0])
    return [int(pick[best]) for pick in picks]


def _cheapest(costs: Floats, first: npt.NDArray[np.intp], last: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """The place of the least of costs[first:last], elementwise; −1 where that is empty. A sparse table of minima."""
    levels = [np.arange(len(costs))]
    while 2 ** len(levels) <= len(costs):
        step, below = 2 ** (len(levels) - 1), levels[-1]
        left, right = below[:-step], below[step:]
        levels.append(np.where(costs[right] < costs[left], right, left))
    width = last - first
    found = np.full(len(first), -1, np.intp)
    for level, table in enumerate(levels):
        here = (width >= 2**level) & (width < 2 ** (level + 1))
        left, right = table[first[here]], table[last[here] - 2**level]
        found[here] = np.where(costs[right] < costs[left], right, left)
    return found
