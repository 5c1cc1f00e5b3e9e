"""Branch and bound for the cheapest change: the best bound first, so the first proof is the optimum.

A box is solved when its cheapest assignment reaches the goal, and dropped when its bound on the
margin misses the goal or its bound on the cost is no better than what is known. Nothing random, and
nothing depends on the clock but when to stop.
"""

from __future__ import annotations

import dataclasses
import heapq
from collections.abc import Callable, Sequence

import numpy as np

from glasskit.recourse import bounds, greedy, questions

Floats = questions.Floats
Bools = questions.Bools
Indices = questions.Indices

_SLACK = 1e-9
_PRICES = (1.0, 0.6, 1.7)
_FIRST_PRICES = tuple(10.0 ** (power / 2) for power in range(-10, 11))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Problem:
    """What is searched: levers with candidates by cost, bounds, and rules on how many levers change.

    forbidden: sets of levers of which at least one must stay as it is.
    """

    bounds: bounds.Bounds
    costs: Sequence[Floats]
    goal: float
    most_changes: int
    accepts: Callable[[Sequence[int]], bool]
    margins: Callable[[Sequence[Sequence[int]]], Floats]
    forbidden: Sequence[frozenset[int]] = ()


@dataclasses.dataclass(slots=True, kw_only=True)
class Found:
    """The cheapest assignment known, and whether it was proved that there is no cheaper one."""

    choice: tuple[int, ...] | None = None
    cost: float = np.inf
    is_proved: bool = False
    low_cost: float = 0.0
    n_boxes: int = 0


class Search:
    """One search; `run` may be called once."""

    def __init__(self, problem: Problem, *, is_over: Callable[[], bool], most_boxes: int) -> None:
        self._problem = problem
        self._is_over = is_over
        self._most_boxes = most_boxes
        self._bounds = problem.bounds
        self._costs = np.concatenate(list(problem.costs))
        self._starts = problem.bounds.lever_starts
        sizes = [len(one) for one in problem.costs]
        self._lever_of = np.repeat(np.arange(len(sizes)), sizes)
        self._goal = problem.goal + _SLACK * problem.bounds.size
        self._price = 1.0
        self._waiting: list[tuple[float, int, bytes]] = []
        self._n_pushed = 0
        self.found = Found()

    def run(self) -> Found:
        """The outcome of the search."""
        whole = np.ones(len(self._costs), dtype=np.bool_)
        self._try_greedy()
        self._priced(whole.copy(), _FIRST_PRICES)
        self._consider(whole, 0.0)
        while self._waiting:
            low_cost, _, packed = heapq.heappop(self._waiting)
            if not self._is_better(low_cost):
                break
            self.found.low_cost = low_cost
            if self.found.n_boxes >= self._most_boxes or self._is_over():
                return self.found
            self._branch(np.unpackbits(np.frombuffer(packed, dtype=np.uint8)).astype(np.bool_), low_cost)
        self.found.is_proved = True
        self.found.low_cost = self.found.cost
        return self.found

    def _is_better(self, cost: float) -> bool:
        return cost < self.found.cost - _SLACK * (1.0 + abs(cost))

    def _branch(self, box: Bools, low_cost: float) -> None:
        box = box[: len(self._costs)]
        total, each = self._bounds.low_each(box)
        first = self._cheapest(box)
        open_levers = np.add.reduceat(box, self._starts, dtype=np.int64) > 1
        if not open_levers.any():
            if total <= self._goal:
                self._take(first, float(self._costs[first].sum()))
            return
        worse = np.where(open_levers, each[first] - total, -np.inf)
        lever = int(np.argmax(worse))
        for keeps_first in (True, False):
            child = box.copy()
            if keeps_first:
                child[self._lever_of == lever] = False
            child[first[lever]] = keeps_first
            self._consider(child, low_cost)

    def _consider(self, box: Bools, low_cost: float) -> None:
        """Shrinks a box as far as the bounds allow, then solves, drops or keeps it."""
        self.found.n_boxes += 1
        if not self._shrink(box):
            return
        first = self._cheapest(box)
        cheapest = float(self._costs[first].sum())
        point = np.zeros_like(box)
        point[first] = True
        if self._bounds.low(point) <= self._goal and self._take(first, cheapest):
            return
        low_cost = max(low_cost, cheapest, self._priced(box))
        if self._is_better(low_cost) and self._has_all(box):
            self._n_pushed += 1
            heapq.heappush(self._waiting, (low_cost, self._n_pushed, np.packbits(box).tobytes()))

    def _shrink(self, box: Bools) -> bool:
        """Strikes candidates that no better solution in the box has; False if none is left."""
        while True:
            before = int(box.sum())
            if not self._obey(box):
                return False
            total, each = self._bounds.low_each(box)
            if not total <= self._goal:
                return False
            box &= each <= self._goal
            if not self._has_all(box):
                return False
            first = self._costs[self._cheapest(box)]
            dearer = first.sum() + self._costs - first[self._lever_of]
            box &= dearer < self.found.cost
            if not self._has_all(box):
                return False
            if int(box.sum()) == before:
                return True

    def _obey(self, box: Bools) -> bool:
        """Keeps levers from changing where the rules leave no choice; False if a rule is broken."""
        may_stay = box[self._starts]
        n_changed = int((~may_stay).sum())
        if n_changed > self._problem.most_changes:
            return False
        if n_changed == self._problem.most_changes:
            self._hold(box, np.flatnonzero(may_stay))
        for levers in self._problem.forbidden:
            able = [lever for lever in levers if box[self._starts[lever]]]
            if not able:
                return False
            if len(able) == 1:
                self._hold(box, np.array(able))
        return True

    def _hold(self, box: Bools, levers: Indices) -> None:
        box &= ~np.isin(self._lever_of, levers)
        box[self._starts[levers]] = True

    def _has_all(self, box: Bools) -> bool:
        return bool(np.logical_or.reduceat(box, self._starts).all())

    def _cheapest(self, box: Bools) -> Indices:
        """The first candidate of each lever that the box allows."""
        ordinal = np.where(box, np.arange(len(box)), len(box))
        return np.minimum.reduceat(ordinal, self._starts)

    def _priced(self, box: Bools, factors: Sequence[float] = _PRICES) -> float:
        """The Lagrangian bound on the cost; strikes candidates that it shows to be too dear."""
        best, at = 0.0, self._price
        for factor in factors:
            price = self._price * factor
            total, each = self._bounds.cost_each(box, self._goal, price)
            box &= each < self.found.cost
            if total > best:
                best, at = total, price
        self._price = min(max(at, 1e-9), 1e9)
        return best

    def _take(self, first: Indices, cost: float) -> bool:
        """Keeps an assignment if the model itself agrees; False if it does not."""
        choice = (first - self._starts).tolist()
        if not self._problem.accepts(choice):
            return False
        if cost < self.found.cost:
            self.found.choice, self.found.cost = tuple(choice), cost
        return True

    def _try_greedy(self) -> None:
        rules = self._problem
        tries = greedy.Greedy(rules.costs, rules.goal, margins=rules.margins, may=self._may)
        for choice, cost in tries.attempts():
            if cost < self.found.cost:
                self._take(self._starts + np.array(choice), cost)
            if self._is_over():
                return

    def _may(self, choice: Sequence[int]) -> bool:
        changed = {lever for lever, at in enumerate(choice) if at}
        rules = self._problem
        return len(changed) <= rules.most_changes and not any(some <= changed for some in rules.forbidden)
