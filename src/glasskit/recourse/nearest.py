"""The nearest changes that turn a prediction, checked against the model and ranked by cost.

Each further option changes something else: it leaves alone at least one lever of every nearer one.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from glasskit import trees
from glasskit.explain import words
from glasskit.recourse import boxes, candidates, frontier, levers, tables

Floats = npt.NDArray[np.float64]
_ROUNDS_TO_ZERO, _ROUNDS_TO_ONE = -700.0, 36.0
Status = Literal["optimal", "feasible", "none_exists", "timed_out"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Counterfactual:
    """A row that gets the wished-for decision.

    changes: lever -> (what it was, what it becomes); columns: the same for each column that differs.
    is_nearest: proved that no allowed change (among those that differ from nearer options) costs less.
    """

    row: Floats
    changes: Mapping[str, tuple[object, object]]
    columns: Mapping[str, tuple[float, float]]
    cost: float
    prediction: float
    is_nearest: bool

    def sentence(self, *, labels: Mapping[str, str] | None = None) -> str:
        """The change in words."""
        if not self.changes:
            return "Nothing has to change."
        parts = [
            f"{(labels or {}).get(name) or words.readable(name)}: {words.value(new)}"
            + ("" if old is None else f" instead of {words.value(old)}")
            for name, (old, new) in self.changes.items()
        ]
        return "; ".join(parts) + "."


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recourse:
    """What a search found.

    status: "optimal" (the first option is proved the nearest), "feasible" (options, but time ran
    out before the proof), "none_exists" (proved: nothing within the levers' bounds reaches the goal),
    "timed_out" (neither found nor excluded). has_all: proved that no option of another kind is left.
    low_cost: no option costs less. best_possible: no allowed change gets a prediction beyond this.
    """

    status: Status
    options: tuple[Counterfactual, ...]
    has_all: bool
    low_cost: float
    prediction: float
    best_possible: float
    goal: str
    n_boxes: int
    elapsed_s: float

    def sentence(self) -> str:
        """The outcome in words."""
        told: dict[Status, str] = {
            "optimal": f"The nearest change that brings the prediction to {self.goal} is proved.",
            "feasible": f"Changes that bring the prediction to {self.goal} were found; a nearer one may exist.",
            "none_exists": f"No change within these bounds brings the prediction to {self.goal}: proved.",
            "timed_out": f"The search for a change that brings the prediction to {self.goal} ran out of time.",
        }
        return told[self.status]


def find(
    model: trees.Ensemble | trees.Explainer,
    row: Mapping[str, object] | npt.ArrayLike,
    allowed: Sequence[levers.Lever],
    *,
    at_most: float | None = None,
    at_least: float | None = None,
    count: int = 3,
    most_changes: int | None = None,
    time_limit_s: float = 10.0,
    most_boxes: int = 10_000_000,
    clock: Callable[[], float] = time.monotonic,
) -> Recourse:
    """The nearest changes with which the model predicts at most (or at least) a value.

    row: values by column, or in the model's order. allowed: what can be changed; nothing else ever is.
    count: how many options, each of another kind. most_changes: how many levers one option may use.
    time_limit_s: of everything together; it may be passed by the making of the tables and a first solution.
    """
    explainer = model if isinstance(model, trees.Explainer) else trees.Explainer(model)
    goal = _goal(explainer.ensemble, at_most, at_least)
    levers.require_apart(allowed, explainer.feature_names)
    started = clock()
    case = _Case(explainer, _row(row, explainer), allowed, goal)

    def is_over() -> bool:
        return clock() - started >= time_limit_s

    return case.solve(
        count=count,
        most_changes=len(allowed) if most_changes is None else most_changes,
        most_boxes=most_boxes,
        is_over=is_over,
        elapsed=lambda: clock() - started,
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Goal:
    """sign * prediction must be at most sign * limit."""

    sign: float
    limit: float
    margin: float

    def is_reached(self, prediction: float) -> bool:
        return self.sign * prediction <= self.sign * self.limit

    def __str__(self) -> str:
        return f"at {'most' if self.sign > 0 else 'least'} {self.limit:g}"


def _goal(ensemble: trees.Ensemble, at_most: float | None, at_least: float | None) -> _Goal:
    if ensemble.n_outputs != 1:
        raise ValueError(f"the model has {ensemble.n_outputs} outputs, but recourse needs one")
    if (at_most is None) == (at_least is None):
        raise ValueError("give either at_most or at_least")
    sign, limit = (1.0, at_most) if at_most is not None else (-1.0, at_least)
    if limit is None or not math.isfinite(limit):
        raise ValueError(f"the goal {limit} is not a finite number")
    return _Goal(sign=sign, limit=float(limit), margin=sign * _margin(ensemble.link, float(limit), sign=sign))


def _margin(link: trees.Link, limit: float, *, sign: float) -> float:
    """The margin whose prediction is the limit, on the safe side of rounding; infinite where none is needed.

    A prediction may round to the end of its range, so that margins far enough out reach a limit there.
    """
    if link.name == "identity":
        return limit / link.scale
    if link.name not in ("logistic", "exp"):
        raise ValueError(f"recourse does not know the link {link.name!r}")
    is_logistic = link.name == "logistic"
    if limit < 0.0 or (limit == 0.0 and sign < 0):
        margin = -math.inf
    elif limit == 0.0:
        margin = _ROUNDS_TO_ZERO
    elif is_logistic and (limit > 1.0 or (limit == 1.0 and sign > 0)):
        margin = math.inf
    elif is_logistic and limit == 1.0:
        margin = _ROUNDS_TO_ONE
    elif is_logistic:
        margin = math.log(limit / (1.0 - limit)) + sign * 4.0 * math.ulp(1.0) / (1.0 - limit)
    else:
        margin = math.log(limit)
    return margin / link.scale


def _row(given: Mapping[str, object] | npt.ArrayLike, explainer: trees.Explainer) -> Floats:
    """The row as numbers: of a category's text, its code. Raises BadInput."""
    names = explainer.feature_names
    if isinstance(given, Mapping):
        absent = [name for name in names if name not in given]
        if absent:
            raise trees.BadInput(
                f"The row lacks the model's column {absent[0]!r} ({len(absent)} missing in all)."
            )
        row = np.asarray([given[name] for name in names], dtype=object)
    else:
        row = np.asarray(given, dtype=object)
    if row.shape != (len(names),):
        raise trees.BadInput(f"The model has {len(names)} features, but the row has the shape {row.shape}.")
    for at in explainer.ensemble.text_hashes:
        if isinstance(row[at], str):
            raise trees.BadInput(
                f"Column {names[at]!r} holds {row[at]!r}: the model knows the texts of its categories by their hashes "
                "alone, which recourse cannot choose among; train on whole numbers in their place."
            )
    numbers: Floats = explainer.numbers(row)[0]
    return numbers


class _Case:
    """One row, its levers and its goal."""

    def __init__(
        self, explainer: trees.Explainer, row: Floats, allowed: Sequence[levers.Lever], goal: _Goal
    ) -> None:
        self._explainer = explainer
        self._row = row
        self._goal = goal
        self._moves = [candidates.of(lever, explainer.ensemble, row) for lever in allowed]
        constant, listed = tables.of(explainer.ensemble, row, self._moves, sign=goal.sign)
        asked = sorted({lever for table in listed for lever in table.levers})
        self._moves = [self._moves[lever] for lever in asked]
        renumbered = {lever: index for index, lever in enumerate(asked)}
        listed = [tables.renumbered(table, renumbered) for table in listed]
        self._boxes = boxes.of(constant, listed, self._moves)
        self._constant = constant

    def solve(
        self,
        *,
        count: int,
        most_changes: int,
        most_boxes: int,
        is_over: Callable[[], bool],
        elapsed: Callable[[], float],
    ) -> Recourse:
        options: list[Counterfactual] = []
        found, n_boxes, has_all, low_cost = frontier.Found(is_proved=True), 0, False, 0.0
        forbidden: list[frozenset[int]] = []
        while len(options) < count and not has_all:
            found = self._search(forbidden, most_changes, most_boxes - n_boxes, is_over)
            n_boxes += found.n_boxes
            low_cost = found.low_cost if not options else low_cost
            if found.choice is None:
                has_all = found.is_proved
                break
            options.append(self._counterfactual(found.choice, found.is_proved))
            forbidden.append(frozenset(at for at, chosen in enumerate(found.choice) if chosen))
            has_all = not forbidden[-1]
        return Recourse(
            status=_status(options, found),
            options=tuple(sorted(options, key=lambda option: option.cost)),
            has_all=has_all,
            low_cost=low_cost,
            prediction=self._predict(self._row),
            best_possible=self._best_possible(),
            goal=str(self._goal),
            n_boxes=n_boxes,
            elapsed_s=elapsed(),
        )

    def _search(
        self,
        forbidden: Sequence[frozenset[int]],
        most_changes: int,
        most_boxes: int,
        is_over: Callable[[], bool],
    ) -> frontier.Found:
        if self._boxes is None:
            reached = not forbidden and self._goal.is_reached(self._predict(self._row))
            return frontier.Found(choice=() if reached else None, cost=0.0, is_proved=True)
        rules = frontier.Rules(
            goal=self._goal.margin,
            most_changes=most_changes,
            accepts=lambda choice: self._goal.is_reached(self._predict(self._changed(choice))),
            margins=self._margins,
            forbidden=forbidden,
        )
        return frontier.solve(self._boxes, rules, is_over=is_over, most_boxes=most_boxes)

    def _changed(self, choice: Sequence[int]) -> Floats:
        row = self._row.copy()
        for one, chosen in zip(self._moves, choice, strict=True):
            if chosen:
                row[one.columns] = one.values[chosen]
        return row

    def _margins(self, choices: Sequence[Sequence[int]]) -> Floats:
        """Signed margins; the lower the better."""
        rows = np.tile(self._row, (len(choices), 1))
        for lever, chosen in enumerate(np.array(choices, dtype=np.int64).reshape(len(choices), -1).T):
            moved = np.flatnonzero(chosen)
            rows[np.ix_(moved, self._moves[lever].columns)] = self._moves[lever].values[chosen[moved]]
        return self._goal.sign * np.asarray(self._explainer.predict_margin(rows))

    def _predict(self, row: Floats) -> float:
        return float(self._explainer.predict(row[np.newaxis])[0])

    def _best_possible(self) -> float:
        low = self._constant if self._boxes is None else self._boxes.least()
        link = self._explainer.ensemble.link
        return float(link.apply(np.array([self._goal.sign * low]))[0])

    def _counterfactual(self, choice: Sequence[int], is_nearest: bool) -> Counterfactual:
        row = self._changed(choice)
        moved = [(one, chosen) for one, chosen in zip(self._moves, choice, strict=True) if chosen]
        names = self._explainer.feature_names
        different = [at for one, _ in moved for at in one.columns.tolist() if _differ(row[at], self._row[at])]
        return Counterfactual(
            row=row,
            changes={one.lever: (one.labels[0], one.labels[chosen]) for one, chosen in moved},
            columns={names[at]: (float(self._row[at]), float(row[at])) for at in different},
            cost=math.fsum(one.costs[chosen] for one, chosen in moved),
            prediction=self._predict(row),
            is_nearest=is_nearest,
        )


def _differ(one: float, other: float) -> bool:
    return one != other and not (math.isnan(one) and math.isnan(other))


def _status(options: Sequence[Counterfactual], last: frontier.Found) -> Status:
    if options:
        return "optimal" if options[0].is_nearest else "feasible"
    return "none_exists" if last.is_proved else "timed_out"
