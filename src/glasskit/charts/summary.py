"""What matters over many predictions: mean |SHAP| bars and beeswarms, as data."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from glasskit.charts import shown
from glasskit.charts.waterfall import OTHER
from glasskit.explain import words
from glasskit.explain.explanations import Explanation, Floats


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One feature's mean |contribution|, and how much of it raised and lowered the prediction."""

    name: str
    label: str
    description: str
    mean_absolute: float
    mean_raised: float
    mean_lowered: float
    members: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class BarChart(shown.Shown):
    """Bars, the most important first."""

    drawn_by: ClassVar[str] = "bar"

    bars: tuple[Bar, ...]
    n_rows: int

    def as_dict(self) -> dict[str, object]:
        """The chart as JSON-ready data."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """One row's contribution; `level` is the rank of the feature's value in 0..1, None if it has none."""

    contribution: float
    level: float | None
    value_text: str
    row: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Swarm:
    """All rows' contributions of one feature."""

    name: str
    label: str
    description: str
    dots: tuple[Dot, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Beeswarm(shown.Shown):
    """Swarms, the most important feature first."""

    drawn_by: ClassVar[str] = "beeswarm"

    swarms: tuple[Swarm, ...]
    n_rows: int

    def as_dict(self) -> dict[str, object]:
        """The chart as JSON-ready data."""
        return dataclasses.asdict(self)


def bar(explanation: Explanation, *, max_features: int = 20) -> BarChart:
    """Mean |contribution| of the strongest features over all rows; the rest as one bar."""
    _require_rows(explanation)
    ranked = _ranked(explanation)
    bars = [_bar(explanation, (index,)) for index in ranked[:max_features]]
    rest = tuple(ranked[max_features:])
    if rest:
        bars.append(_bar(explanation, rest))
    return BarChart(bars=tuple(bars), n_rows=len(explanation))


def beeswarm(explanation: Explanation, *, max_features: int = 20) -> Beeswarm:
    """Every row's contribution of the strongest features."""
    _require_rows(explanation)
    swarms = tuple(_swarm(explanation, index) for index in _ranked(explanation)[:max_features])
    return Beeswarm(swarms=swarms, n_rows=len(explanation))


def _require_rows(explanation: Explanation) -> None:
    if explanation.values.ndim != 2:
        raise ValueError("choose one output with .output(k) first")
    if not len(explanation):
        raise ValueError("a summary needs at least one row")


def _ranked(explanation: Explanation) -> list[int]:
    return [int(index) for index in np.argsort(-explanation.mean_absolute(), kind="stable")]


def _bar(explanation: Explanation, indices: tuple[int, ...]) -> Bar:
    """The bar of one feature, or of several that stand together as "other"."""
    names = tuple(explanation.feature_names[index] for index in indices)
    contributions = explanation.values[:, list(indices)].sum(axis=1)
    label = _label(explanation, names[0]) if len(indices) == 1 else f"{len(indices)} other features"
    listed = ", ".join(_label(explanation, name) for name in names)
    return Bar(
        name=names[0] if len(indices) == 1 else OTHER,
        label=label,
        description=explanation.descriptions.get(names[0], "") if len(indices) == 1 else listed,
        mean_absolute=float(np.abs(contributions).mean()),
        mean_raised=float(np.maximum(contributions, 0.0).mean()),
        mean_lowered=float(np.maximum(-contributions, 0.0).mean()),
        members=names if len(indices) > 1 else (),
    )


def _swarm(explanation: Explanation, index: int) -> Swarm:
    name = explanation.feature_names[index]
    column = explanation.data[:, index].tolist()
    ranks = levels(column)
    return Swarm(
        name=name,
        label=_label(explanation, name),
        description=explanation.descriptions.get(name, ""),
        dots=tuple(
            Dot(
                contribution=float(contribution),
                level=ranks[row],
                value_text="" if column[row] is None else words.value(column[row]),
                row=row,
            )
            for row, contribution in enumerate(explanation.values[:, index])
        ),
    )


def levels(column: Sequence[object]) -> list[float | None]:
    """Each number's rank among the numbers, 0..1, ties sharing their middle; None for anything else."""
    numbers = [
        float(value) if isinstance(value, int | float) and not math.isnan(value) else None for value in column
    ]
    known = np.array(sorted(number for number in numbers if number is not None))
    return [None if number is None else _rank(number, known) for number in numbers]


def _rank(number: float, known: Floats) -> float:
    below, upto = np.searchsorted(known, number, "left"), np.searchsorted(known, number, "right")
    if below == 0 and upto == len(known):
        return 0.5
    if below == 0:
        return 0.0
    return 1.0 if upto == len(known) else float((below + upto) / 2 / len(known))


def _label(explanation: Explanation, name: str) -> str:
    return explanation.labels.get(name) or words.readable(name)
