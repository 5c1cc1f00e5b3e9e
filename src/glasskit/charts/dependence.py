"""How a feature's value moves predictions, row by row, coloured by another feature, as data."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from glasskit.charts import checks, shown, summary, svg, tables
from glasskit.explain import words
from glasskit.explain.explanations import Explanation, Floats, Interactions

AUTO = "auto"
_BINS = 10
_MOST_ROWS_COMPARED = 4000
_MOST_COLOURS = 6
MOST_POINTS = 1500
"""Rows up to which the chart has a point for each; above, it counts them in cells."""
_N_ACROSS, _N_UP = 64, 40


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
class Cell:
    """Rows that are near each other. x: their middle, None if the value is missing; level: their mean."""

    x: float | None
    contribution: float
    level: float | None
    n_rows: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Dependence(shown.Shown):
    """Points of one feature or, if they are too many, cells that count them.

    categories: their names in the order of their places, if the feature is not a number.
    """

    name: str
    label: str
    description: str
    colour_name: str | None
    colour_label: str
    colour_categories: tuple[str, ...]
    categories: tuple[str, ...]
    n_rows: int
    points: tuple[Point, ...] = ()
    cells: tuple[Cell, ...] = ()

    def drawn(self, look: shown.Look) -> str:
        """Value to the right, contribution up."""
        return svg.dependence(self, **look.asked())

    def table(self) -> tables.Table:
        """A row per point, or per cell."""
        if self.cells:
            return tables.Table(
                headings=("Value about", "SHAP value about", "Rows"),
                rows=[(self.place_text(cell.x), cell.contribution, cell.n_rows) for cell in self.cells],
                caption=f"{self.n_rows:,} rows, counted.",
            )
        other = (self.colour_label,) if self.colour_name is not None else ()
        return tables.Table(
            headings=("Row", self.label, "SHAP value", *other),
            rows=[
                (f"row {at.row}", at.value_text, at.contribution, *((at.colour_text,) if other else ()))
                for at in self.points
            ],
        )

    def place_text(self, x: float | None) -> str:
        """What stands at a place."""
        if x is None:
            return "missing"
        return self.categories[round(x)] if self.categories else words.value(x)


def dependence(
    explanation: Explanation,
    feature: str,
    *,
    colour_by: str | None = AUTO,
    interactions: Interactions | None = None,
    max_points: int = MOST_POINTS,
) -> Dependence:
    """The dependence chart of a feature; colour_by: another one, None, or the one that interacts most.

    Which one that is, is read off `interactions` if they are given, and estimated from the rows if not.
    With more than `max_points` rows they are counted in cells.
    """
    checks.require_rows(explanation, "dependence chart")
    at = _position(explanation, feature)
    other = colour_by
    if colour_by == AUTO:
        other = (
            strongest_partner(explanation, feature)
            if interactions is None
            else _interacting(interactions, feature)
        )
    column = explanation.data[:, at].tolist()
    places, categories = _places(column)
    colours: list[object] = [None] * len(column)
    levels: list[float | None] = [None] * len(column)
    colour_categories: tuple[str, ...] = ()
    if other is not None:
        colours = explanation.data[:, _position(explanation, other)].tolist()
        levels, colour_categories = _levels(colours)
    contributions = explanation.values[:, at]
    is_counted = len(column) > max_points
    return Dependence(
        name=feature,
        label=_label(explanation, feature),
        description=explanation.descriptions.get(feature, ""),
        colour_name=other,
        colour_label="" if other is None else _label(explanation, other),
        colour_categories=colour_categories,
        categories=categories,
        n_rows=len(column),
        points=() if is_counted else _points(column, places, contributions, levels, colours, other),
        cells=_cells(places, contributions, levels, bool(categories)) if is_counted else (),
    )


def _points(
    column: list[object],
    places: list[float | None],
    contributions: Floats,
    levels: list[float | None],
    colours: list[object],
    other: str | None,
) -> tuple[Point, ...]:
    return tuple(
        Point(
            x=places[row],
            value_text=words.value(column[row]),
            contribution=float(contributions[row]),
            level=levels[row],
            colour_text="" if other is None else words.value(colours[row]),
            row=row,
        )
        for row in range(len(column))
    )


def _cells(
    places: list[float | None], contributions: Floats, levels: list[float | None], are_categories: bool
) -> tuple[Cell, ...]:
    """Rows counted in a grid of 64 x 40; categories and missing values each have a column of their own."""
    x = np.array([math.nan if place is None else place for place in places])
    level = np.array([math.nan if one is None else one for one in levels])
    known = np.isfinite(x)
    across = np.full(len(x), -1.0)
    if known.any():
        low, high = (float(x[known].min()), float(x[known].max()))
        step = 1.0 if are_categories else (high - low) / _N_ACROSS or 1.0
        across[known] = np.minimum(
            np.floor((x[known] - low) / step), np.inf if are_categories else _N_ACROSS - 1
        )
    bottom, top = float(contributions.min()), float(contributions.max())
    rise = (top - bottom) / _N_UP or 1.0
    up = np.minimum(np.floor((contributions - bottom) / rise), _N_UP - 1)
    different, back = np.unique(np.column_stack([across, up]), axis=0, return_inverse=True)
    back = back.ravel()
    n_rows = np.bincount(back)
    has_level = ~np.isnan(level)
    n_levels = np.bincount(back[has_level], minlength=len(different))
    sums = np.bincount(back[has_level], weights=level[has_level], minlength=len(different))
    return tuple(
        Cell(
            x=None if at < 0 else low + (at if are_categories else (at + 0.5) * step),
            contribution=bottom + (height + 0.5) * rise,
            level=float(sums[index] / n_levels[index]) if n_levels[index] else None,
            n_rows=int(n_rows[index]),
        )
        for index, (at, height) in enumerate(different.tolist())
    )


def _interacting(interactions: Interactions, feature: str) -> str | None:
    """The feature with the largest mean |interaction|; None if there is none but zero."""
    if interactions.values.ndim != 3:
        raise ValueError("give the interactions of one output")
    if feature not in interactions.feature_names:
        raise ValueError(f"{feature!r} is not one of the features of the interactions")
    at = list(interactions.feature_names).index(feature)
    strengths = interactions.mean_absolute()[at].copy()
    strengths[at] = 0.0
    return interactions.feature_names[int(strengths.argmax())] if strengths.any() else None


def strongest_partner(explanation: Explanation, feature: str) -> str | None:
    """The feature whose values best order this one's contributions among rows with about the same value.

    Measured by |correlation| within ten bins of the feature's values, weighted by the bins' spread; an
    estimate from the rows at hand, every so many of them if they are more than 4,000. None if no other feature is a number that varies.
    """
    at = _position(explanation, feature)
    some = slice(None, None, math.ceil(len(explanation) / _MOST_ROWS_COMPARED))
    data, contributions = explanation.data[some], explanation.values[some, at]
    order = np.argsort(_numeric(data[:, at].tolist()), kind="stable")
    best, partner = 0.0, None
    for other, name in enumerate(explanation.feature_names):
        if other == at:
            continue
        places, categories = _places(data[:, other].tolist())
        if categories:
            continue
        column = np.array([math.nan if place is None else place for place in places])[order]
        strength = sum(
            _agreement(values, others)
            for values, others in zip(
                np.array_split(contributions[order], _BINS),
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
    number = words.as_float(value) if isinstance(value, int | float) else math.nan
    return number if math.isfinite(number) else None


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not math.isfinite(words.as_float(value)))


def _position(explanation: Explanation, name: str) -> int:
    if name not in explanation.feature_names:
        raise ValueError(f"{name!r} is not one of the features")
    return list(explanation.feature_names).index(name)


def _label(explanation: Explanation, name: str) -> str:
    return explanation.labels.get(name) or words.readable(name)
