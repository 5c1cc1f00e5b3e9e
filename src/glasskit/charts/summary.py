"""What matters over many predictions: mean |SHAP| bars and beeswarms, as data."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from glasskit.charts import checks, shown, svg, tables
from glasskit.charts.waterfall import OTHER
from glasskit.explain import words
from glasskit.explain.explanations import Explanation, Floats

MOST_DOTS = 400
"""Rows up to which a beeswarm has a dot for each; above, it counts them in columns."""
_N_COLUMNS = 110


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

    bars: tuple[Bar, ...]
    n_rows: int

    def drawn(self, look: shown.Look) -> str:
        """Bars whose green, hatched part lowered and whose red part raised."""
        return svg.bar(self, **look.asked())

    def table(self) -> tables.Table:
        """A row per feature."""
        return tables.Table(
            headings=("Feature", "Mean |SHAP value|", "Raised", "Lowered", "Description"),
            rows=[
                (bar.label, bar.mean_absolute, bar.mean_raised, bar.mean_lowered, bar.description)
                for bar in self.bars
            ],
            caption=f"Means over {self.n_rows:,} rows.",
        )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """One row's contribution; `level` is the rank of the feature's value in 0..1, None if it has none."""

    contribution: float
    level: float | None
    value_text: str
    row: int


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """How many rows contribute low..high, by the third in which the feature's value ranks."""

    low: float
    high: float
    n_low: int
    n_middle: int
    n_high: int
    n_none: int

    @property
    def n_rows(self) -> int:
        return self.n_low + self.n_middle + self.n_high + self.n_none


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Swarm:
    """One feature's contributions: a dot for every row or, if they are too many, columns that count them."""

    name: str
    label: str
    description: str
    mean_absolute: float
    mean: float
    lowest: float
    highest: float
    dots: tuple[Dot, ...] = ()
    columns: tuple[Column, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Beeswarm(shown.Shown):
    """Swarms, the most important feature first, those not shown summed as the last."""

    swarms: tuple[Swarm, ...]
    n_rows: int

    @property
    def is_counted(self) -> bool:
        """Whether columns stand for the rows."""
        return any(swarm.columns for swarm in self.swarms)

    def drawn(self, look: shown.Look) -> str:
        """Dots or columns along the contribution, shaded by the feature's value."""
        return svg.beeswarm(self, **look.asked())

    def table(self) -> tables.Table:
        """A row per feature."""
        return tables.Table(
            headings=("Feature", "Mean |SHAP value|", "Mean", "Lowest", "Highest", "Description"),
            rows=[
                (
                    *(swarm.label, swarm.mean_absolute, swarm.mean),
                    *(swarm.lowest, swarm.highest, swarm.description),
                )
                for swarm in self.swarms
            ],
            caption=f"Contributions of {self.n_rows:,} rows.",
        )


def bar(explanation: Explanation, *, max_features: int = 20) -> BarChart:
    """Mean |contribution| of the strongest features over all rows; the rest as one bar."""
    checks.require_rows(explanation, "summary")
    checks.require_one_or_more(max_features)
    ranked = _ranked(explanation)
    bars = [_bar(explanation, (index,)) for index in ranked[:max_features]]
    rest = tuple(ranked[max_features:])
    if rest:
        bars.append(_bar(explanation, rest))
    return BarChart(bars=tuple(bars), n_rows=len(explanation))


def beeswarm(explanation: Explanation, *, max_features: int = 20, max_dots: int = MOST_DOTS) -> Beeswarm:
    """The contributions of the strongest features; the rest as one.

    Every row is a dot up to `max_dots` rows. With more, rows are counted in columns, so that a chart of
    a million rows is no larger than one of a thousand.
    """
    checks.require_rows(explanation, "summary")
    checks.require_one_or_more(max_features)
    ranked = _ranked(explanation)
    parts: list[tuple[int, ...]] = [(index,) for index in ranked[:max_features]]
    if ranked[max_features:]:
        parts.append(tuple(ranked[max_features:]))
    sums = [explanation.values[:, list(part)].sum(axis=1) for part in parts]
    edges = _edges(sums) if len(explanation) > max_dots else None
    swarms = tuple(_swarm(explanation, part, total, edges) for part, total in zip(parts, sums, strict=True))
    return Beeswarm(swarms=swarms, n_rows=len(explanation))


def _edges(sums: Sequence[Floats]) -> Floats:
    low = min(float(total.min()) for total in sums)
    high = max(float(total.max()) for total in sums)
    return np.linspace(low, high, _N_COLUMNS + 1) if high > low else np.array([low - 0.5, low + 0.5])


def _ranked(explanation: Explanation) -> list[int]:
    return [int(index) for index in np.argsort(-explanation.mean_absolute(), kind="stable")]


def _named(explanation: Explanation, indices: tuple[int, ...]) -> tuple[str, str, str]:
    """(name, label, description) of one feature, or of several that stand together as "other"."""
    names = [explanation.feature_names[index] for index in indices]
    if len(indices) == 1:
        return names[0], _label(explanation, names[0]), explanation.descriptions.get(names[0], "")
    listed = ", ".join(_label(explanation, name) for name in names)
    return OTHER, f"{len(indices)} other features", listed


def _bar(explanation: Explanation, indices: tuple[int, ...]) -> Bar:
    contributions = explanation.values[:, list(indices)].sum(axis=1)
    name, label, description = _named(explanation, indices)
    return Bar(
        name=name,
        label=label,
        description=description,
        mean_absolute=float(np.abs(contributions).mean()),
        mean_raised=float(np.maximum(contributions, 0.0).mean()),
        mean_lowered=float(np.maximum(-contributions, 0.0).mean()),
        members=tuple(explanation.feature_names[index] for index in indices) if len(indices) > 1 else (),
    )


def _swarm(
    explanation: Explanation, indices: tuple[int, ...], contributions: Floats, edges: Floats | None
) -> Swarm:
    name, label, description = _named(explanation, indices)
    column = explanation.data[:, indices[0]] if len(indices) == 1 else np.full(len(explanation), None)
    return Swarm(
        name=name,
        label=label,
        description=description,
        mean_absolute=float(np.abs(contributions).mean()),
        mean=float(contributions.mean()),
        lowest=float(contributions.min()),
        highest=float(contributions.max()),
        dots=_dots(column, contributions) if edges is None else (),
        columns=() if edges is None else _columns(column, contributions, edges),
    )


def _dots(column: npt.NDArray[np.generic], contributions: Floats) -> tuple[Dot, ...]:
    values = column.tolist()
    ranks = levels(values)
    return tuple(
        Dot(
            contribution=contribution,
            level=ranks[row],
            value_text="" if values[row] is None else words.value(values[row]),
            row=row,
        )
        for row, contribution in enumerate(contributions.tolist())
    )


def _columns(column: npt.NDArray[np.generic], contributions: Floats, edges: Floats) -> tuple[Column, ...]:
    ranks = ranked_levels(column)
    third = np.where(np.isnan(ranks), 3, np.clip(ranks * 3, 0, 2)).astype(np.int64)
    place = np.clip(np.searchsorted(edges, contributions, "right") - 1, 0, len(edges) - 2)
    counts = np.bincount(place * 4 + third, minlength=(len(edges) - 1) * 4).reshape(-1, 4).tolist()
    return tuple(
        Column(
            low=float(edges[at]),
            high=float(edges[at + 1]),
            n_low=count[0],
            n_middle=count[1],
            n_high=count[2],
            n_none=count[3],
        )
        for at, count in enumerate(counts)
        if sum(count)
    )


def levels(column: Sequence[object]) -> list[float | None]:
    """Each number's rank among the numbers, 0..1, ties sharing their middle; None for anything else."""
    return [None if np.isnan(level) else level for level in ranked_levels(column).tolist()]


def ranked_levels(column: Sequence[object] | npt.NDArray[np.generic]) -> Floats:
    """The same as an array, with NaN for None."""
    numbers = _numbers(column)
    known = np.sort(numbers[~np.isnan(numbers)])
    below, upto = np.searchsorted(known, numbers, "left"), np.searchsorted(known, numbers, "right")
    shares = (below + upto) / 2 / max(1, len(known))
    shares = np.where(below == 0, 0.0, np.where(upto == len(known), 1.0, shares))
    shares = np.where((below == 0) & (upto == len(known)), 0.5, shares)
    return np.where(np.isnan(numbers), np.nan, shares)


def _numbers(column: Sequence[object] | npt.NDArray[np.generic]) -> Floats:
    if isinstance(column, np.ndarray) and column.dtype.kind in "fiub":
        return column.astype(np.float64)
    listed = column.tolist() if isinstance(column, np.ndarray) else column
    return np.array(
        [words.as_float(value) if isinstance(value, int | float) else np.nan for value in listed],
        dtype=np.float64,
    )


def _label(explanation: Explanation, name: str) -> str:
    return explanation.labels.get(name) or words.readable(name)
