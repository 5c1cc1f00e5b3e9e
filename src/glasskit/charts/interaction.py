"""Which pairs of features act together: the heat map of SHAP interaction values, as data."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from glasskit.charts import shown
from glasskit.charts.waterfall import OTHER
from glasskit.explain import grouped, words
from glasskit.explain.explanations import Floats


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HeatMap(shown.Shown):
    """A symmetric matrix; the diagonal holds main effects, a cell beside it half of a pair's interaction.

    All cells together are the margin minus the base value (if the values are those of one row).
    """

    drawn_by: ClassVar[str] = "heat_map"

    names: tuple[str, ...]
    labels: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]
    largest: float
    total: float

    def as_dict(self) -> dict[str, object]:
        """The chart as JSON-ready data."""
        return dataclasses.asdict(self)


def heat_map(
    matrix: Floats,
    feature_names: Sequence[str],
    *,
    max_features: int = 12,
    labels: Mapping[str, str] | None = None,
) -> HeatMap:
    """The heat map of one interaction matrix (F, F): its strongest features, the rest as one."""
    matrix = np.asarray(matrix, dtype=np.float64)
    if matrix.shape != (len(feature_names), len(feature_names)):
        raise ValueError(f"a matrix {matrix.shape} and {len(feature_names)} feature names do not match")
    if not np.isfinite(matrix).all():
        raise ValueError("an interaction value is not a finite number")
    ranked = np.argsort(-np.abs(matrix).sum(axis=1), kind="stable").tolist()
    shown = {int(index) for index in ranked[:max_features]}
    group_of = [name if index in shown else OTHER for index, name in enumerate(feature_names)]
    names, values = grouped.interactions(matrix, feature_names, group_of)
    first = [feature_names[index] for index in ranked[:max_features]]
    order = [names.index(name) for name in [*first, *([OTHER] if OTHER in names else [])]]
    values = values[np.ix_(order, order)]
    ordered = tuple(names[index] for index in order)
    return HeatMap(
        names=ordered,
        labels=tuple(_label(name, labels or {}) for name in ordered),
        values=tuple(tuple(row) for row in values.tolist()),
        largest=float(np.abs(values).max(initial=0.0)),
        total=float(values.sum()),
    )


def _label(name: str, labels: Mapping[str, str]) -> str:
    return "other features" if name == OTHER else labels.get(name) or words.readable(name)
