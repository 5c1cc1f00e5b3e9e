"""The ways of many rows from the baseline to their predictions, feature by feature, as data."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

import numpy as np

from glasskit.charts import checks, shown, svg, tables
from glasskit.charts.waterfall import OTHER
from glasskit.explain import words
from glasskit.explain.explanations import Explanation

MOST_ROWS = 200


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """One row's margins: at the baseline, then after each feature, the least important first."""

    row: int
    margins: tuple[float, ...]
    is_marked: bool
    prediction_text: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Decision(shown.Shown):
    """Paths over features; names and labels: the most important last, as the paths go."""

    names: tuple[str, ...]
    labels: tuple[str, ...]
    paths: tuple[Path, ...]
    base_margin: float
    n_rows: int
    link: str
    link_scale: float

    def drawn(self, look: shown.Look) -> str:
        """Lines from the baseline at the bottom to the predictions at the top."""
        return svg.decision(self, **look.asked())

    def table(self) -> tables.Table:
        """A row per path: its prediction, and the margin after each feature."""
        return tables.Table(
            headings=("Row", "Prediction", "Baseline", *self.labels),
            rows=[(f"row {path.row}", path.prediction_text, *path.margins) for path in self.paths],
            caption=f"{len(self.paths):,} of {self.n_rows:,} rows; margins from the baseline on.",
        )


def decision(explanation: Explanation, *, max_features: int = 15, marked: Collection[int] = ()) -> Decision:
    """The decision chart of rows of one model; marked: rows to stand out.

    The first 200 rows are drawn, and the marked ones.
    """
    checks.require_rows(explanation, "decision chart")
    checks.require_one_or_more(max_features)
    if np.ptp(explanation.base_values) > 1e-9 * (1.0 + abs(float(explanation.base_values[0]))):
        raise ValueError("the rows start at different base values")
    unknown = [row for row in marked if not 0 <= row < len(explanation)]
    if unknown:
        raise ValueError(f"row {unknown[0]} is marked, but there are {len(explanation)} rows")
    ranked = np.argsort(-explanation.mean_absolute(), kind="stable")
    shown_features, rest = ranked[:max_features][::-1], ranked[max_features:]
    steps = explanation.values[:, shown_features]
    names = [explanation.feature_names[at] for at in shown_features]
    labels = [explanation.labels.get(name) or words.readable(name) for name in names]
    if len(rest):
        steps = np.concatenate([explanation.values[:, rest].sum(axis=1, keepdims=True), steps], axis=1)
        names, labels = [OTHER, *names], [f"{len(rest)} other feature{'s' if len(rest) > 1 else ''}", *labels]
    starts = explanation.base_values[:, np.newaxis]
    margins = np.concatenate([starts, starts + np.cumsum(steps, axis=1)], axis=1)
    rows = sorted({*range(min(MOST_ROWS, len(explanation))), *marked})
    return Decision(
        names=tuple(names),
        labels=tuple(labels),
        paths=tuple(
            Path(
                row=row,
                margins=tuple(margins[row].tolist()),
                is_marked=row in marked,
                prediction_text=words.amount(explanation.row(row), explanation.row(row).prediction),
            )
            for row in rows
        ),
        base_margin=float(explanation.base_values[0]),
        n_rows=len(explanation),
        link=explanation.link,
        link_scale=explanation.link_scale,
    )
