"""Branch and bound over many boxes at once: the cheapest boxes are cut in two, those that cannot help are dropped.

A box is dropped when the margin inside it misses the goal, when its cheapest choice costs no less than what is known,
when it breaks a rule, and when its cheapest choice reaches the goal (which is then known). The boxes with the lowest
cost go first, so what is left says how much cheaper a solution might still be.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from glasskit.recourse import boxes, greedy, questions

Floats = questions.Floats
Bools = questions.Bools
Indices = boxes.Indices

_SLACK = 1e-9
_FIRST, _AT_ONCE = 64, 1024
_SHARE_AT_ONCE = 64
_BEFORE_HELP = 500
_MOST_WAITING = 2_000_000


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a solution must do. goal: its margin is at most this.

    margins: the model's own, signed so that low is good; accepts: whether the model itself agrees. forbidden: sets of
    levers of which at least one must stay as it is.
    """

    goal: float
    most_changes: int
    forbidden: Sequence[frozenset[int]]
    margins: Callable[[Sequence[Sequence[int]]], Floats]
    accepts: Callable[[Sequence[int]], bool]

    def allow(self, choice: Sequence[int]) -> bool:
        """Whether a choice changes few enough levers, and none of the forbidden sets."""
        changed = {lever for lever, at in enumerate(choice) if at}
        return len(changed) <= self.most_changes and not any(some <= changed for some in self.forbidden)


@dataclasses.dataclass(slots=True, kw_only=True)
class Found:
    """The cheapest solution known, None if there is none. low_cost: none costs less. is_proved: nor than `cost`."""

    choice: tuple[int, ...] | None = None
    cost: float = np.inf
    low_cost: float = 0.0
    is_proved: bool = False
    n_boxes: int = 0


@dataclasses.dataclass(slots=True, kw_only=True, eq=False)
class _Waiting:
    """Boxes in hand: their corners (n, D), what they cost at least and the margin that they promise."""

    low: Indices
    high: Indices
    cost: Floats
    margin: Floats

    def __len__(self) -> int:
        return len(self.cost)

    def where(self, chosen: Bools | Indices) -> _Waiting:
        return _Waiting(
            low=self.low[chosen], high=self.high[chosen], cost=self.cost[chosen], margin=self.margin[chosen]
        )

    def with_others(self, others: _Waiting) -> _Waiting:
        return _Waiting(
            low=np.concatenate([self.low, others.low]),
            high=np.concatenate([self.high, others.high]),
            cost=np.concatenate([self.cost, others.cost]),
            margin=np.concatenate([self.margin, others.margin]),
        )


def solve(space: boxes.Boxes, rules: Rules, *, is_over: Callable[[], bool], most_boxes: int) -> Found:
    """Searches until the proof, or until it is over. Nothing random; only when to stop depends on the clock.

    Most cases are proved before a first solution would have been worth looking for; for the others one is made greedily,
    so that there is one to give when the time runs out.
    """
    found, is_helped, at_once = Found(), False, _FIRST
    waiting = _kept(space, rules, found, *space.whole())
    while len(waiting):
        found.low_cost = max(found.low_cost, float(waiting.cost.min()))
        must_end = found.n_boxes >= most_boxes or len(waiting) > _MOST_WAITING or is_over()
        if not is_helped and (must_end or found.n_boxes > _BEFORE_HELP):
            is_helped = True
            _help(space, rules, found)
            waiting = waiting.where(_is_better(waiting.cost, found.cost))
        if must_end and len(waiting):
            return found
        chosen = _cheapest(waiting, at_once)
        taken, waiting = waiting.where(chosen), waiting.where(_others(chosen, len(waiting)))
        waiting = waiting.with_others(_kept(space, rules, found, *_halves(space, taken)))
        waiting = waiting.where(_is_better(waiting.cost, found.cost))
        at_once = min(2 * at_once, max(_AT_ONCE, len(waiting) // _SHARE_AT_ONCE))
    found.is_proved, found.low_cost = True, found.cost
    return found


def _help(space: boxes.Boxes, rules: Rules, found: Found) -> None:
    """A first solution, if one is found by going where most is gained for the cost."""
    costs = [lever.costs[np.argsort(lever.order)] for lever in space.levers]
    tries = greedy.Greedy(costs, rules.goal, margins=rules.margins, may=rules.allow)
    for choice, cost in tries.attempts():
        if cost < found.cost and rules.accepts(choice):
            found.choice, found.cost = choice, cost
            return


def _is_better(cost: Floats, known: float) -> Bools:
    return np.asarray(cost < known - _SLACK * (1.0 + np.abs(cost)))


def _cheapest(waiting: _Waiting, n: int) -> Indices:
    """The boxes of least cost; of those that cost the same, the ones whose margin promises most."""
    if len(waiting) <= n:
        return np.arange(len(waiting))
    limit = np.partition(waiting.cost, n - 1)[n - 1]
    near = np.flatnonzero(waiting.cost <= limit)
    return near[np.lexsort((waiting.margin[near], waiting.cost[near]))[:n]]


def _others(chosen: Indices, n: int) -> Bools:
    left = np.ones(n, dtype=np.bool_)
    left[chosen] = False
    return left


def _halves(space: boxes.Boxes, taken: _Waiting) -> tuple[Indices, Indices]:
    _, leaves = space.bound(taken.low, taken.high)
    lever, cut = space.split(taken.low, taken.high, leaves)
    at = np.arange(len(taken))
    below, above = taken.high.copy(), taken.low.copy()
    below[at, lever] = cut - 1
    above[at, lever] = cut
    return np.concatenate([taken.low, above]), np.concatenate([below, taken.high])


def _kept(space: boxes.Boxes, rules: Rules, found: Found, low: Indices, high: Indices) -> _Waiting:
    """Of these boxes, those that may hold a better solution; their cheapest choices are tried on the way."""
    found.n_boxes += len(low)
    obeys = _obey(space, rules, low, high)
    low, high = low[obeys], high[obeys]
    positions, cost = space.cheapest(low, high)
    better = _is_better(cost, found.cost)
    low, high, positions, cost = low[better], high[better], positions[better], cost[better]
    margin, _ = space.bound(low, high)
    may = margin <= rules.goal + _SLACK * space.size
    low, high, positions, cost, margin = low[may], high[may], positions[may], cost[may], margin[may]
    solved = _solved(space, rules, found, positions, cost)
    left = ~solved & (low < high).any(axis=1) & _is_better(cost, found.cost)
    return _Waiting(low=low[left], high=high[left], cost=cost[left], margin=margin[left])


def _obey(space: boxes.Boxes, rules: Rules, low: Indices, high: Indices) -> Bools:
    """Which boxes hold a choice within the rules. Levers that must stay are made to, in place."""
    stay = np.array([lever.stay for lever in space.levers])
    may_stay = (low <= stay) & (stay <= high)
    n_changed = (~may_stay).sum(axis=1)
    obeys = n_changed <= rules.most_changes
    held = (n_changed == rules.most_changes)[:, np.newaxis] & may_stay
    for some in rules.forbidden:
        levers = np.array(sorted(some), dtype=np.int64)
        able = may_stay[:, levers]
        obeys &= able.any(axis=1)
        last = able.sum(axis=1) == 1
        held[:, levers] |= last[:, np.newaxis] & able
    low[...] = np.where(held, stay, low)
    high[...] = np.where(held, stay, high)
    return np.asarray(obeys)


def _solved(space: boxes.Boxes, rules: Rules, found: Found, positions: Indices, cost: Floats) -> Bools:
    """Which boxes' cheapest choice reaches the goal; the cheapest of all is kept."""
    solved = np.zeros(len(cost), dtype=np.bool_)
    if not len(cost):
        return solved
    choices = space.choices(positions)
    near = np.flatnonzero(rules.margins(choices) <= rules.goal + _SLACK * space.size)
    for at in near[np.argsort(cost[near], kind="stable")].tolist():
        if not rules.accepts(choices[at]):
            continue
        solved[at] = True
        if cost[at] < found.cost:
            found.choice, found.cost = choices[at], float(cost[at])
    return solved
