"""Bounds on the margin over boxes: sets of candidates, one set per lever.

Over a box, the margin is at least the sum of the tables' minima over the leaves it can reach. One
pass gives that bound and, for every candidate, the bound if its lever is held there: a candidate
whose own bound misses the goal can be struck out of the box. The same pass with costs spread over
the tables bounds the cost of reaching the goal (a Lagrangian relaxation: each table may assign its
levers as it likes).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from glasskit.recourse import questions, tables

Floats = questions.Floats
Bools = questions.Bools
Indices = questions.Indices


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bounds:
    """Tables laid out flat.

    A segment is one class of candidates of one lever in one table; an entry is a leaf in a segment.
    Entries stand leaf by leaf, and lever by lever within a leaf.
    """

    constant: float
    size: float
    lever_starts: Indices  # first candidate of each lever
    leaf_values: Floats
    table_starts: Indices  # first leaf of each table
    entry_segments: Indices
    pair_starts: Indices  # first entry of each (leaf, lever)
    leaf_starts: Indices  # first pair of each leaf
    by_segment: Indices  # entries sorted by segment
    segment_starts: Indices  # into by_segment
    segment_leaves: Indices  # leaf of each entry of by_segment
    segment_tables: Indices
    members: Indices  # candidates of each segment, one segment after the other
    member_starts: Indices
    member_segments: Indices
    n_candidates: int
    table_costs: Floats  # share of a candidate's cost in a table, per segment of `members`

    def low(self, box: Bools) -> float:
        """No assignment in the box has a lower margin."""
        return self.constant + float(self._minima(self._reachable(box), self.leaf_values).sum())

    def low_each(self, box: Bools) -> tuple[float, Floats]:
        """(the bound of the box, the bound of the box with each candidate held)."""
        reachable = self._reachable(box)
        minima = self._minima(reachable, self.leaf_values)
        total = self.constant + float(minima.sum())
        return total, total + self._extra(np.where(reachable, self.leaf_values, np.inf), minima)

    def cost_each(self, box: Bools, goal: float, price: float) -> tuple[float, Floats]:
        """(what reaching the goal costs at least, the same with each candidate held), for one price of margin.

        Candidates of levers that no table asks about are not in the second bound.
        """
        shares = np.where(box[self.members], self.table_costs, np.inf)
        by_segment = np.minimum.reduceat(shares, self.member_starts)
        by_pair = np.minimum.reduceat(by_segment[self.entry_segments], self.pair_starts)
        values = price * self.leaf_values + np.add.reduceat(by_pair, self.leaf_starts)
        minima = np.minimum.reduceat(values, self.table_starts)
        total = float(minima.sum()) + price * (self.constant - goal)
        return total, total + self._extra(values, minima)

    def _reachable(self, box: Bools) -> Bools:
        segments = np.logical_or.reduceat(box[self.members], self.member_starts)
        pairs = np.logical_or.reduceat(segments[self.entry_segments], self.pair_starts)
        return np.asarray(np.logical_and.reduceat(pairs, self.leaf_starts))

    def _minima(self, reachable: Bools, values: Floats) -> Floats:
        return np.minimum.reduceat(np.where(reachable, values, np.inf), self.table_starts)

    def _extra(self, values: Floats, minima: Floats) -> Floats:
        """How much higher the sum of the minima is with each candidate held."""
        held = np.minimum.reduceat(values[self.segment_leaves], self.segment_starts)
        with np.errstate(invalid="ignore"):
            more = held - minima[self.segment_tables]
        more = np.where(np.isnan(more), np.inf, more)
        extra: Floats = np.bincount(
            self.members, weights=more[self.member_segments], minlength=self.n_candidates
        ).astype(np.float64)
        return extra


def of(constant: float, listed: Sequence[tables.Table], costs: Sequence[Floats]) -> Bounds | None:
    """The bounds of tables; None if there is no table, so that nothing moves the margin."""
    if not listed:
        return None
    lever_starts = np.concatenate([[0], np.cumsum([len(one) for one in costs])[:-1]]).astype(np.int64)
    layout = _Layout(lever_starts=lever_starts, n_candidates=[len(one) for one in costs])
    for table in listed:
        layout.add(table)
    packed = layout.packed(constant=constant, size=_size(constant, listed))
    return dataclasses.replace(packed, table_costs=_spread(packed, np.concatenate(costs)))


def _spread(flat: Bounds, costs: Floats) -> Floats:
    """Each candidate's cost spread over the tables, in proportion to what it gains in each.

    Any spread gives valid bounds; this one pays for a gain about the same price in every table.
    """
    sizes = np.diff(np.append(flat.segment_starts, len(flat.segment_leaves)))
    held = np.add.reduceat(flat.leaf_values[flat.segment_leaves], flat.segment_starts) / sizes
    lever_of = np.searchsorted(flat.lever_starts, flat.members, side="right") - 1
    n_levers = len(flat.lever_starts)
    place = flat.segment_tables[flat.member_segments] * n_levers + lever_of
    stays = flat.members == flat.lever_starts[lever_of]
    present = np.zeros(len(flat.table_starts) * n_levers)
    present[place[stays]] = held[flat.member_segments[stays]]
    gains = np.maximum(present[place] - held[flat.member_segments], 0.0)
    total = np.bincount(flat.members, weights=gains, minlength=flat.n_candidates)[flat.members]
    uses = np.bincount(flat.members, minlength=flat.n_candidates)[flat.members]
    shares = np.where(total > 0.0, gains / np.where(total > 0.0, total, 1.0), 1.0 / uses)
    return np.asarray(costs[flat.members] * shares)


def _size(constant: float, listed: Sequence[tables.Table]) -> float:
    return 1.0 + abs(constant) + sum(max(abs(leaf.value) for leaf in table.leaves) for table in listed)


@dataclasses.dataclass(slots=True, kw_only=True)
class _Layout:
    lever_starts: Indices
    n_candidates: Sequence[int]
    leaf_values: list[float] = dataclasses.field(default_factory=list)
    table_starts: list[int] = dataclasses.field(default_factory=list)
    entry_segments: list[int] = dataclasses.field(default_factory=list)
    entry_leaves: list[int] = dataclasses.field(default_factory=list)
    pair_starts: list[int] = dataclasses.field(default_factory=list)
    leaf_starts: list[int] = dataclasses.field(default_factory=list)
    segment_tables: list[int] = dataclasses.field(default_factory=list)
    members: list[int] = dataclasses.field(default_factory=list)
    member_starts: list[int] = dataclasses.field(default_factory=list)

    def add(self, table: tables.Table) -> None:
        segments = {lever: self._segments(table, lever) for lever in table.levers}
        self.table_starts.append(len(self.leaf_values))
        for leaf in table.leaves:
            self.leaf_starts.append(len(self.pair_starts))
            for lever in table.levers:
                mask = leaf.reached_by.get(lever, -1)
                self.pair_starts.append(len(self.entry_segments))
                inside = [segment for segment, bits in segments[lever] if bits & mask]
                self.entry_segments += inside
                self.entry_leaves += [len(self.leaf_values)] * len(inside)
            self.leaf_values.append(leaf.value)

    def _segments(self, table: tables.Table, lever: int) -> list[tuple[int, int]]:
        found = []
        for bits in tables.classes([table], lever, self.n_candidates[lever]):
            found.append((len(self.member_starts), bits))
            self.segment_tables.append(len(self.table_starts))
            self.member_starts.append(len(self.members))
            first = int(self.lever_starts[lever])
            self.members += [first + at for at in range(self.n_candidates[lever]) if bits >> at & 1]
        return found

    def packed(self, *, constant: float, size: float) -> Bounds:
        entry_segments = np.array(self.entry_segments, dtype=np.int64)
        by_segment = np.argsort(entry_segments, kind="stable")
        counts = np.bincount(entry_segments, minlength=len(self.member_starts))
        starts = np.array(self.member_starts, dtype=np.int64)
        return Bounds(
            constant=constant,
            size=size,
            lever_starts=self.lever_starts,
            leaf_values=np.array(self.leaf_values),
            table_starts=np.array(self.table_starts, dtype=np.int64),
            entry_segments=entry_segments,
            pair_starts=np.array(self.pair_starts, dtype=np.int64),
            leaf_starts=np.array(self.leaf_starts, dtype=np.int64),
            by_segment=by_segment,
            segment_starts=np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64),
            segment_leaves=np.array(self.entry_leaves, dtype=np.int64)[by_segment],
            segment_tables=np.array(self.segment_tables, dtype=np.int64),
            members=np.array(self.members, dtype=np.int64),
            member_starts=starts,
            member_segments=np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(self.members)))),
            n_candidates=int(sum(self.n_candidates)),
            table_costs=np.zeros(len(self.members)),
        )
