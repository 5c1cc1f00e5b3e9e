"""Which pairs of features act together: the heat map of SHAP interaction values, as data."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from glasskit.charts import checks, shown, svg, tables
from glasskit.charts.waterfall import OTHER
from glasskit.explain import grouped, words
from glasskit.explain.explanations import Floats


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HeatMap(shown.Shown):
    """A symmetric matrix; the diagonal holds main effects, a cell beside it half of a pair's interaction.

    All cells together are the margin minus the base value (if the values are those of one row).
    largest: the largest |value| among the named features, for which shades are made.
    """

    names: tuple[str, ...]
    labels: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]
    largest: float
    total: float

    def drawn(self, look: shown.Look) -> str:
        """Cells: red raises, green lowers."""
        return svg.heat_map(self, **look.asked())

    def table(self) -> tables.Table:
        """A row per pair, each with both halves together, and one per main effect; the strongest first."""
        pairs: list[tuple[str, str, float]] = [
            (self.labels[one], self.labels[other], self.values[one][other] * (1 if one == other else 2))
            for one in range(len(self.names))
            for other in range(one + 1)
        ]
        pairs.sort(key=lambda pair: -abs(pair[2]))
        return tables.Table(
            headings=("Feature", "With", "Together"),
            rows=pairs,
            caption="A feature with itself is its main effect. All rows add up to prediction minus baseline.",
        )


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
    checks.require_one_or_more(max_features)
    ranked = np.argsort(-np.abs(matrix).sum(axis=1), kind="stable").tolist()
    strongest = {int(index) for index in ranked[:max_features]}
    group_of = [name if index in strongest else OTHER for index, name in enumerate(feature_names)]
    names, values = grouped.interactions(matrix, feature_names, group_of)
    first = [feature_names[index] for index in ranked[:max_features]]
    order = [names.index(name) for name in [*first, *([OTHER] if OTHER in names else [])]]
    values = values[np.ix_(order, order)]
    ordered = tuple(names[index] for index in order)
    n_others = len(feature_names) - len(first)
    return HeatMap(
        names=ordered,
        labels=tuple(_label(name, labels or {}, n_others) for name in ordered),
        values=tuple(tuple(row) for row in values.tolist()),
        largest=float(np.abs(values[: len(first), : len(first)]).max(initial=0.0)),
        total=float(values.sum()),
    )


def _label(name: str, labels: Mapping[str, str], n_others: int) -> str:
    if name == OTHER:
        return f"{n_others} other feature{'s' if n_others > 1 else ''}"
    return labels.get(name) or words.readable(name)
