"""Bootstrap intervals of metrics, from tables of counts.

Drawing n rows of a facet with replacement and counting them is drawing the counts from a multinomial distribution
with the observed shares: the same law, at the price of the cells and not of the rows. Each facet is drawn apart
(stratified), so its size stays what it is. Source: Efron and Tibshirani, "An Introduction to the Bootstrap" (1993),
chapters 6 and 13.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from glasskit.bias import counts, definitions, estimates, faults
from glasskit.bias.arithmetic import Floats

_MOST_CELLS = 2_000_000
"""Cells drawn at a time, which bounds memory."""


def intervals(
    metrics: Sequence[definitions.Metric],
    split: counts.Split,
    *,
    replicates: int,
    seed: int,
    confidence: float,
) -> dict[str, estimates.Interval]:
    """Percentile intervals of the metrics, from the same replicates; where a metric is undefined it has none.

    An interval is widened to hold the estimate, which percentiles of a biased statistic (KL, JS, …) may leave out.
    Replicates in which a metric is undefined are left out.
    """
    drawn: dict[str, list[Floats]] = {metric.name: [] for metric in metrics}
    for replicate in _replicates(split, replicates, seed):
        for metric in metrics:
            drawn[metric.name].append(np.atleast_1d(metric(replicate).value))
    found = {}
    for metric in metrics:
        values = np.concatenate(drawn[metric.name])
        values = np.sort(values[~np.isnan(values)])
        if len(values):
            found[metric.name] = _percentiles(values, metric.of(split), confidence)
    return found


def _percentiles(values: Floats, estimate: float, confidence: float) -> estimates.Interval:
    """Order statistics, never interpolated: a value may be infinite."""
    tail = (1 - confidence) / 2 * len(values)
    low = float(values[int(np.floor(tail))])
    high = float(values[max(0, int(np.ceil(len(values) - tail)) - 1)])
    return estimates.Interval(
        low=min(low, estimate), high=max(high, estimate), confidence=confidence, method="bootstrap"
    )


def _replicates(split: counts.Split, n: int, seed: int) -> Iterator[counts.Split]:
    streams = [np.random.Generator(np.random.PCG64(one)) for one in np.random.SeedSequence(seed).spawn(3)]
    at_a_time = max(1, _MOST_CELLS // max(1, split.a.cells.size))
    for done in range(0, n, at_a_time):
        some = min(at_a_time, n - done)
        yield counts.Split(
            a=_side(split.a, some, streams[0]),
            d=_side(split.d, some, streams[1]),
            grouped=split.grouped,
            flips=_flips(split.flips, some, streams[2]),
            compat=split.compat,
        )


def _side(side: counts.Side, n: int, stream: np.random.Generator) -> counts.Side:
    rows = float(side.n)
    if not rows:
        raise faults.Undefined("a facet has no rows")
    used = np.flatnonzero(side.cells)
    cells = np.zeros((n, side.cells.size))
    cells[:, used] = stream.multinomial(int(rows), side.cells.ravel()[used] / rows, size=n)
    return counts.Side(cells=cells.reshape(n, *side.cells.shape), positive=side.positive)


def _flips(flips: counts.Flips | None, n: int, stream: np.random.Generator) -> counts.Flips | None:
    """Rows of d are drawn anew; their neighbours in a stay what they are."""
    if flips is None:
        return None
    rows = float(flips.n)
    up, down = float(flips.to_accepted), float(flips.to_rejected)
    drawn = stream.multinomial(int(rows), [up / rows, down / rows, (rows - up - down) / rows], size=n)
    return counts.Flips(
        to_accepted=drawn[:, 0].astype(np.float64),
        to_rejected=drawn[:, 1].astype(np.float64),
        n=np.full(n, rows),
    )
