"""How a feature's value moves predictions, row by row, coloured by another feature, as data."""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar

import numpy as np

from glasskit.charts import shown, summary
from glasskit.explain import words
from glasskit.explain.explanations import Explanation, Floats

AUTO = "auto"
_BINS = 10
_MOST_COLOURS = 6


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One row. x: the value, or the place of its category; None if it is missing. level: of the colour, 0..1."""

    x: float | None
    value_text: str
    contribution: float
    level: float | None
    colour_text: str
    row: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Dependence(shown.Shown):
    """Points of one feature; categories: their names in the order of their places, if it is not a number."""

    drawn_by: ClassVar[str] = "dependence"

    name: str
    label: str
    description: str
    colour_name: str | None
    colour_label: str
    colour_categories: tuple[str, ...]
    categories: tuple[str, ...]
    points: tuple[Point, ...]

    def as_dict(self) -> dict[str, object]:
        """The chart as JSON-ready data."""
        return dataclasses.asdict(self)


def dependence(explanation: Explanation, feature: str, *, colour_by: str | None = AUTO) -> Dependence:
    """The dependence chart of a feature; colour_by: another one, None, or the one that interacts most."""
    if explanation.values.ndim != 2:
        raise ValueError("choose one output with .output(k) first")
    if not len(explanation):
        raise ValueError("a dependence chart needs at least one row")
    at = _position(explanation, feature)
    other = strongest_partner(explanation, feature) if colour_by == AUTO else colour_by
    column = explanation.data[:, at].tolist()
    places, categories = _places(column)
    colours: list[object] = [None] * len(column)
    levels: list[float | None] = [None] * len(column)
    colour_categories: tuple[str, ...] = ()
    if other is not None:
        colours = explanation.data[:, _position(explanation, other)].tolist()
        levels, colour_categories = _levels(colours)
    points = tuple(
        Point(
            x=places[row],
            value_text=words.value(column[row]),
            contribution=float(explanation.values[row, at]),
            level=levels[row],
            colour_text="" if other is None else words.value(colours[row]),
            row=row,
        )
        for row in range(len(column))
    )
    return Dependence(
        name=feature,
        label=_label(explanation, feature),
        description=explanation.descriptions.get(feature, ""),
        colour_name=other,
        colour_label="" if other is None else _label(explanation, other),
        colour_categories=colour_categories,
        categories=categories,
        points=points,
    )


def strongest_partner(explanation: Explanation, feature: str) -> str | None:
    """The feature whose values best order this one's contributions among rows with about the same value.

    Measured by |correlation| within ten bins of the feature's values, weighted by the bins' spread; an
    estimate from the rows at hand. None if no other feature is a number that varies.
    """
    at = _position(explanation, feature)
    order = np.argsort(_numeric(explanation.data[:, at].tolist()), kind="stable")
    best, partner = 0.0, None
    for other, name in enumerate(explanation.feature_names):
        if other == at:
            continue
        places, categories = _places(explanation.data[:, other].tolist())
        if categories:
            continue
        column = np.array([math.nan if place is None else place for place in places])[order]
        strength = sum(
            _agreement(values, some)
            for values, some in zip(
                np.array_split(explanation.values[order, at], _BINS),
                np.array_split(column, _BINS),
                strict=True,
            )
        )
        if strength > best:
            best, partner = strength, name
    return partner


def _levels(column: list[object]) -> tuple[list[float | None], tuple[str, ...]]:
    """Ranks of numbers; of a few categories their places, spread over 0..1."""
    places, categories = _places(column)
    if not categories:
        return summary.levels(column), ()
    if len(categories) > _MOST_COLOURS:
        return [None] * len(column), ()
    most = max(1, len(categories) - 1)
    return [None if place is None else place / most for place in places], categories


def _agreement(values: Floats, others: Floats) -> float:
    known = ~np.isnan(others)
    values, others = values[known], others[known]
    if len(values) < 3 or values.std() == 0 or others.std() == 0:
        return 0.0
    return float(abs(np.mean((values - values.mean()) * (others - others.mean()))) / others.std())


def _numeric(column: list[object]) -> Floats:
    """Numbers as they are, categories by their place, missing as NaN."""
    places, _ = _places(column)
    return np.array([math.nan if place is None else place for place in places])


def _places(column: list[object]) -> tuple[list[float | None], tuple[str, ...]]:
    """(places, categories): a column of numbers is its own place; others stand in the order of their texts."""
    numbers = [_number(value) for value in column]
    if all(
        number is not None for number, value in zip(numbers, column, strict=True) if not _is_missing(value)
    ):
        return numbers, ()
    known = [value for value in column if not _is_missing(value)]
    categories = tuple(sorted({words.value(value) for value in known}))
    place = {text: float(index) for index, text in enumerate(categories)}
    return [None if _is_missing(value) else place[words.value(value)] for value in column], categories


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and not math.isfinite(value))


def _position(explanation: Explanation, name: str) -> int:
    if name not in explanation.feature_names:
        raise ValueError(f"{name!r} is not one of the features")
    return list(explanation.feature_names).index(name)


def _label(explanation: Explanation, name: str) -> str:
    return explanation.labels.get(name) or words.readable(name)
