"""What matters in several groups of rows, side by side, as data."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from glasskit.charts import shown
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
    """Features in which the cohorts differ or that matter, the most important in any cohort first."""

    drawn_by: ClassVar[str] = "cohorts"

    cohorts: tuple[Cohort, ...]
    comparisons: tuple[Comparison, ...]
    n_left_out: int

    def as_dict(self) -> dict[str, object]:
        """The chart as JSON-ready data."""
        return dataclasses.asdict(self)


def cohorts(explanations: Mapping[str, Explanation], *, max_features: int = 12) -> Cohorts:
    """The comparison of named groups of rows of one model."""
    if not 1 <= len(explanations) <= MOST_COHORTS:
        raise ValueError(f"{len(explanations)} cohorts were given, but a chart holds 1 to {MOST_COHORTS}")
    first = next(iter(explanations.values()))
    for name, one in explanations.items():
        if one.values.ndim != 2 or not len(one):
            raise ValueError(f"the cohort {name!r} has no rows of one output")
        if tuple(one.feature_names) != tuple(first.feature_names):
            raise ValueError(f"the cohort {name!r} has other features")
    absolute = np.array([one.mean_absolute() for one in explanations.values()])
    signed = np.array([one.values.mean(axis=0) for one in explanations.values()])
    ranked = np.argsort(-absolute.max(axis=0), kind="stable").tolist()
    return Cohorts(
        cohorts=tuple(_cohort(name, one) for name, one in explanations.items()),
        comparisons=tuple(
            Comparison(
                name=first.feature_names[at],
                label=first.labels.get(first.feature_names[at]) or words.readable(first.feature_names[at]),
                description=first.descriptions.get(first.feature_names[at], ""),
                mean_absolute=tuple(absolute[:, at].tolist()),
                mean=tuple(signed[:, at].tolist()),
            )
            for at in ranked[:max_features]
        ),
        n_left_out=max(0, len(ranked) - max_features),
    )


def _cohort(name: str, explanation: Explanation) -> Cohort:
    predictions = [attribution.prediction for attribution in explanation]
    mean = float(np.mean(predictions))
    return Cohort(
        name=name,
        n_rows=len(explanation),
        prediction=mean,
        prediction_text=words.amount(explanation.row(0), mean),
    )
