"""First solutions: moves that gain most for their cost until the goal is reached, then cheapened.

Each start holds another lever as it is, so that the attempts differ. Every margin is the model's own.
Nothing found here is proved to be the nearest; it gives the search a cost to beat.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from glasskit.recourse import questions

Floats = questions.Floats
Choice = tuple[int, ...]

_TINY = 1e-12


class Greedy:
    """Attempts at one problem.

    margins: signed margins of choices (low is good); may: whether the rules allow a choice.
    """

    def __init__(
        self,
        costs: Sequence[Floats],
        goal: float,
        *,
        margins: Callable[[Sequence[Choice]], Floats],
        may: Callable[[Choice], bool],
    ) -> None:
        self._costs = costs
        self._goal = goal
        self._margins = margins
        self._may = may

    def attempts(self) -> Iterator[tuple[Choice, float]]:
        """Solutions with their costs, not all different, until every start was tried."""
        for held in (None, *range(len(self._costs))):
            found = self._attempt(held)
            if found is not None:
                found = self._cheapened(found)
                yield found, self._cost(found)

    def _cost(self, choice: Choice) -> float:
        return sum(float(costs[at]) for costs, at in zip(self._costs, choice, strict=True))

    def _attempt(self, held: int | None) -> Choice | None:
        choice = (0,) * len(self._costs)
        here = float(self._margins([choice])[0])
        for _ in range(3 * len(choice)):
            if here <= self._goal:
                return choice
            moved = [other for other in self._beside(choice, held) if self._may(other)]
            if not moved:
                return None
            margins = self._margins(moved)
            gains = np.minimum(here - margins, here - self._goal)
            dearer = np.array([self._cost(other) for other in moved]) - self._cost(choice)
            prices = np.where(gains > 0.0, np.maximum(dearer, _TINY) / np.maximum(gains, _TINY), np.inf)
            best = int(np.argmin(prices))
            if not np.isfinite(prices[best]):
                return None
            choice, here = moved[best], float(margins[best])
        return None

    def _cheapened(self, choice: Choice) -> Choice:
        """The same with the largest saving made that still reaches the goal, again and again."""
        while True:
            cheaper = [
                other
                for other in self._beside(choice, None)
                if self._cost(other) < self._cost(choice) and self._may(other)
            ]
            reached = self._margins(cheaper) <= self._goal if cheaper else ()
            reaching = [other for other, reaches in zip(cheaper, reached, strict=True) if reaches]
            if not reaching:
                return choice
            choice = min(reaching, key=self._cost)

    def _beside(self, choice: Choice, held: int | None) -> list[Choice]:
        """Every choice that differs in one lever."""
        return [
            (*choice[:lever], at, *choice[lever + 1 :])
            for lever, costs in enumerate(self._costs)
            if lever != held
            for at in range(len(costs))
            if at != choice[lever]
        ]
