"""What matters in several groups of rows, side by side, as data."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from glasskit.charts import checks, shown, svg, tables
from glasskit.charts.waterfall import OTHER
from glasskit.explain import words
from glasskit.explain.explanations import Explanation

MOST_COHORTS = 6


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Cohort:
    """A group of rows; prediction: its mean, in the unit of the link."""

    name: str
    n_rows: int
    prediction: float
    prediction_text: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One feature's mean |contribution| and mean contribution in each cohort."""

    name: str
    label: str
    description: str
    mean_absolute: tuple[float, ...]
    mean: tuple[float, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Cohorts(shown.Shown):
    """Features that matter, the most important in any cohort first; the others together as the last."""

    cohorts: tuple[Cohort, ...]
    comparisons: tuple[Comparison, ...]

    def drawn(self, look: shown.Look) -> str:
        """A bar per cohort and feature."""
        return svg.cohorts(self, **look.asked())

    def table(self) -> tables.Table:
        """A row per feature, two numbers per cohort."""
        headings = [
            f"{cohort.name}: {what}" for cohort in self.cohorts for what in ("mean |SHAP value|", "mean")
        ]
        return tables.Table(
            headings=("Feature", *headings),
            rows=[
                (
                    one.label,
                    *(number for pair in zip(one.mean_absolute, one.mean, strict=True) for number in pair),
                )
                for one in self.comparisons
            ],
            caption="; ".join(
                f"{one.name}: {one.n_rows:,} rows, {one.prediction_text} on average" for one in self.cohorts
            ),
        )


def cohorts(explanations: Mapping[str, Explanation], *, max_features: int = 12) -> Cohorts:
    """The comparison of named groups of rows of one model."""
    if not 1 <= len(explanations) <= MOST_COHORTS:
        raise ValueError(f"{len(explanations)} cohorts were given, but a chart holds 1 to {MOST_COHORTS}")
    checks.require_one_or_more(max_features)
    first = next(iter(explanations.values()))
    for name, one in explanations.items():
        if one.values.ndim != 2 or not len(one):
            raise ValueError(f"the cohort {name!r} has no rows of one output")
        checks.require_rows(one, "cohort comparison")
        if tuple(one.feature_names) != tuple(first.feature_names):
            raise ValueError(f"the cohort {name!r} has other features")
    absolute = np.array([one.mean_absolute() for one in explanations.values()])
    ranked = np.argsort(-absolute.max(axis=0), kind="stable").tolist()
    parts = [[at] for at in ranked[:max_features]]
    if ranked[max_features:]:
        parts.append(ranked[max_features:])
    return Cohorts(
        cohorts=tuple(_cohort(name, one) for name, one in explanations.items()),
        comparisons=tuple(_comparison(list(explanations.values()), part) for part in parts),
    )


def _comparison(explanations: Sequence[Explanation], indices: list[int]) -> Comparison:
    """One feature, or several that stand together as "other"."""
    first = explanations[0]
    names = [first.feature_names[at] for at in indices]
    labels = [first.labels.get(name) or words.readable(name) for name in names]
    sums = [one.values[:, indices].sum(axis=1) for one in explanations]
    single = len(indices) == 1
    return Comparison(
        name=names[0] if single else OTHER,
        label=labels[0] if single else f"{len(indices)} other features",
        description=first.descriptions.get(names[0], "") if single else ", ".join(labels),
        mean_absolute=tuple(float(np.abs(total).mean()) for total in sums),
        mean=tuple(float(total.mean()) for total in sums),
    )


def _cohort(name: str, explanation: Explanation) -> Cohort:
    one = explanation.row(0)
    margins = explanation.base_values + explanation.values.sum(axis=1)
    mean = float(np.mean([one.after_link(margin) for margin in margins.tolist()]))
    return Cohort(
        name=name,
        n_rows=len(explanation),
        prediction=mean,
        prediction_text=words.amount(one, mean),
    )
