"""Many boxes at once: an interval of candidates for each lever, and what the margin is at least inside it.

The leaves of a table stand in a word of 64 bits each, the lowest value first (in several words if there are more).
For every lever, a sparse table holds the leaves that intervals of 1, 2, 4, … candidates reach, so that the leaves of
any interval are two look-ups and those of a box the intersection over its levers. The lowest bit that is left is the
lowest leaf: a thousand boxes are bounded in a few milliseconds.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from glasskit.recourse import candidates, questions, tables

Floats = questions.Floats
Indices = npt.NDArray[np.integer[Any]]
Words = npt.NDArray[np.uint64]

_BITS = 64
_ONE = np.uint64(1)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lever:
    """One lever's candidates in the order of their values.

    order: position -> candidate. reach: (levels * n, n_words), row level * n + a: the leaves that the 2**level
    positions from a on reach. cheapest: (levels * n,), the position of the cheapest of those. low, high: (leaf),
    the first and last position that reaches each leaf.
    """

    order: Indices
    costs: Floats
    stay: int
    reach: Words
    cheapest: Indices
    low: Indices
    high: Indices

    def __len__(self) -> int:
        return len(self.order)

    def rows(self, low: Indices, high: Indices) -> tuple[Indices, Indices]:
        """The two rows of the sparse tables that cover low..high."""
        level = np.frexp((high - low + 1).astype(np.float64))[1] - 1
        base = level * len(self)
        return base + low, base + high - (1 << level) + 1

    def cheapest_of(self, low: Indices, high: Indices) -> Indices:
        """The cheapest position in low..high."""
        first, last = (self.cheapest[rows] for rows in self.rows(low, high))
        return np.where(self.costs[first] <= self.costs[last], first, last)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Boxes:
    """Everything needed to bound boxes.

    values: (n_words * 64,), infinite where a word has no leaf. weights: how far each table's leaves lie apart. size: a
    bound on what is added up, for the rounding of sums.
    """

    constant: float
    size: float
    levers: tuple[Lever, ...]
    values: Floats
    word_starts: Indices
    table_starts: Indices
    is_simple: bool
    weights: Floats

    def bound(self, low: Indices, high: Indices) -> tuple[Floats, Indices]:
        """(the least margin of each box (n, D) at most, the lowest leaf of each table (n, T))."""
        found: Words | None = None
        for at, lever in enumerate(self.levers):
            first, last = lever.rows(low[:, at], high[:, at])
            reached = lever.reach[first]
            reached |= lever.reach[last]
            found = reached if found is None else np.bitwise_and(found, reached, out=found)
        words: Words = np.zeros((len(low), 0), dtype=np.uint64) if found is None else found
        lowest = np.bitwise_count((words & (~words + _ONE)) - _ONE).astype(np.int64)
        leaves = self.word_starts + np.minimum(lowest, _BITS - 1)
        minima = np.where(words == 0, np.inf, self.values[leaves])
        if not self.is_simple:
            chosen = np.minimum.reduceat(minima, self.table_starts, axis=1)
            leaves = self._of_tables(leaves, minima, chosen)
            minima = chosen
        return self.constant + minima.sum(axis=1), leaves

    def _of_tables(self, leaves: Indices, minima: Floats, chosen: Floats) -> Indices:
        """The leaf of each table's lowest word."""
        sizes = np.diff(np.append(self.table_starts, minima.shape[1]))
        is_lowest = minima == np.repeat(chosen, sizes, axis=1)
        ordinal = np.where(is_lowest, np.arange(minima.shape[1]), minima.shape[1] - 1)
        return np.take_along_axis(leaves, np.minimum.reduceat(ordinal, self.table_starts, axis=1), axis=1)

    def split(self, low: Indices, high: Indices, leaves: Indices) -> tuple[Indices, Indices]:
        """(a lever, a position from which on its other half begins) for each box that is not a point.

        Where the lowest leaves of the tables contradict one another most, each pulling the lever its own way, a cut
        between them raises the bound most.
        """
        n_boxes = len(low)
        best = np.full(n_boxes, -1.0)
        lever_of, cut_of = np.zeros(n_boxes, dtype=np.int64), np.zeros(n_boxes, dtype=np.int64)
        for at, lever in enumerate(self.levers):
            start, stop = low[:, at : at + 1], high[:, at : at + 1]
            first, last = lever.low[leaves], lever.high[leaves]
            from_below, from_above = first > start, last < stop
            pull = (from_below * self.weights).sum(axis=1), (from_above * self.weights).sum(axis=1)
            strength = pull[0] + pull[1] + 1e-12 * (stop - start)[:, 0]
            edges = np.where(from_below, first, 0) + np.where(from_above, last + 1, 0)
            weights = (from_below.astype(np.float64) + from_above) * self.weights
            middle = (edges * self.weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1e-300)
            middle = np.where(weights.sum(axis=1) > 0, middle, (start + stop + 1)[:, 0] / 2)
            cut = np.clip(np.rint(middle).astype(np.int64), low[:, at] + 1, high[:, at])
            better = (strength > best) & (high[:, at] > low[:, at])
            best = np.where(better, strength, best)
            lever_of, cut_of = np.where(better, at, lever_of), np.where(better, cut, cut_of)
        return lever_of, cut_of

    def whole(self) -> tuple[Indices, Indices]:
        """The one box of everything."""
        ends = [[len(lever) - 1 for lever in self.levers]]
        return np.zeros((1, len(self.levers)), dtype=np.int32), np.array(ends, dtype=np.int32)

    def least(self) -> float:
        """No choice has a lower margin."""
        return float(self.bound(*self.whole())[0][0])

    def cheapest(self, low: Indices, high: Indices) -> tuple[Indices, Floats]:
        """(the cheapest position of each lever (n, D), the cost)."""
        found = np.empty_like(low)
        cost = np.zeros(len(low))
        for at, lever in enumerate(self.levers):
            found[:, at] = lever.cheapest_of(low[:, at], high[:, at])
            cost += lever.costs[found[:, at]]
        return found, cost

    def choices(self, positions: Indices) -> list[tuple[int, ...]]:
        """Positions as candidates."""
        columns = [lever.order[positions[:, at]] for at, lever in enumerate(self.levers)]
        return [tuple(row) for row in np.column_stack(columns).tolist()]


def of(
    constant: float, listed: Sequence[tables.Table], moves: Sequence[candidates.Candidates]
) -> Boxes | None:
    """The boxes of a case: its tables, and the candidates of its levers. None if there is no table."""
    if not listed:
        return None
    layout = [sorted(table.leaves, key=lambda leaf: leaf.value) for table in listed]
    n_words = [(len(leaves) + _BITS - 1) // _BITS for leaves in layout]
    starts = np.concatenate([[0], np.cumsum(n_words)[:-1]]).astype(np.int64)
    values = np.full(sum(n_words) * _BITS, np.inf)
    for leaves, start in zip(layout, starts.tolist(), strict=True):
        values[start * _BITS : start * _BITS + len(leaves)] = [leaf.value for leaf in leaves]
    levers = [_lever(at, one, layout, starts, sum(n_words)) for at, one in enumerate(moves)]
    finite = [np.array([leaf.value for leaf in leaves]) for leaves in layout]
    return Boxes(
        constant=constant,
        size=1.0 + abs(constant) + sum(float(np.abs(found).max()) for found in finite),
        levers=tuple(levers),
        values=values,
        word_starts=np.arange(sum(n_words), dtype=np.int64) * _BITS,
        table_starts=starts,
        is_simple=max(n_words) == 1,
        weights=np.array([found.max() - found.min() for found in finite]),
    )


def _lever(
    number: int,
    moves: candidates.Candidates,
    layout: Sequence[Sequence[tables.Leaf]],
    starts: Indices,
    n_words: int,
) -> Lever:
    order = np.lexsort(moves.values.T[::-1]).astype(np.int64)
    n, n_leaves = len(order), n_words * _BITS
    member = np.ones((n, n_leaves), dtype=np.bool_)
    for leaves, start in zip(layout, starts.tolist(), strict=True):
        for at, leaf in enumerate(leaves):
            if number in leaf.reached_by:
                member[:, start * _BITS + at] = _flags(leaf.reached_by[number], n)[order]
        member[:, start * _BITS + len(leaves) : _end(start, leaves)] = False
    costs = moves.costs[order]
    reach, cheapest = _sparse(_packed(member), costs)
    return Lever(
        order=order,
        costs=costs,
        stay=int(np.flatnonzero(order == 0)[0]),
        reach=reach,
        cheapest=cheapest,
        low=member.argmax(axis=0),
        high=n - 1 - member[::-1].argmax(axis=0),
    )


def _end(start: int, leaves: Sequence[tables.Leaf]) -> int:
    return (start + (len(leaves) + _BITS - 1) // _BITS) * _BITS


def _flags(bits: int, n: int) -> npt.NDArray[np.bool_]:
    raw = np.frombuffer(bits.to_bytes((n + 7) // 8, "little"), dtype=np.uint8)
    return np.unpackbits(raw, bitorder="little", count=n).astype(np.bool_)


def _packed(member: npt.NDArray[np.bool_]) -> Words:
    return np.packbits(member, axis=1, bitorder="little").view("<u8").astype(np.uint64)


def _sparse(words: Words, costs: Floats) -> tuple[Words, Indices]:
    """The unions and the cheapest positions of every 2**level neighbours, level by level."""
    n = len(words)
    reach, cheapest = [words], [np.arange(n, dtype=np.int64)]
    width = 1
    while 2 * width <= n:
        last, best = reach[-1], cheapest[-1]
        beside = np.minimum(np.arange(n) + width, n - 1)
        reach.append(last | last[beside])
        cheapest.append(np.where(costs[best] <= costs[best[beside]], best, best[beside]))
        width *= 2
    return np.concatenate(reach), np.concatenate(cheapest)
