"""What a facet's own rows look like: shares, confusion matrix and quality of prediction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from glasskit.bias import arithmetic, counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistic:
    """A number about one side. Name and description are those of Clarify's model performance report."""

    name: str
    title: str
    description: str
    of: Callable[[counts.Side], float]


def _ratio(above: arithmetic.Floats, below: arithmetic.Floats) -> float:
    return float(arithmetic.ratio(above, below))


def accuracy(side: counts.Side) -> float:
    """(TP + TN) / n"""
    return _ratio(side.true_positives + side.true_negatives, side.n)


def positive_predictions(side: counts.Side) -> float:
    """(TP + FP) / n"""
    return _ratio(side.predicted_positives, side.n)


def negative_predictions(side: counts.Side) -> float:
    """(TN + FN) / n"""
    return _ratio(side.predicted_negatives, side.n)


def recall(side: counts.Side) -> float:
    """TP / (TP + FN)"""
    return _ratio(side.true_positives, side.positives)


def specificity(side: counts.Side) -> float:
    """TN / (TN + FP)"""
    return _ratio(side.true_negatives, side.negatives)


def precision(side: counts.Side) -> float:
    """TP / (TP + FP)"""
    return _ratio(side.true_positives, side.predicted_positives)


def rejection_rate(side: counts.Side) -> float:
    """TN / (TN + FN)"""
    return _ratio(side.true_negatives, side.predicted_negatives)


def conditional_acceptance(side: counts.Side) -> float:
    """n⁽¹⁾ / n′⁽¹⁾"""
    return _ratio(side.positives, side.predicted_positives)


def conditional_rejection(side: counts.Side) -> float:
    """n⁽⁰⁾ / n′⁽⁰⁾"""
    return _ratio(side.negatives, side.predicted_negatives)


def f1(side: counts.Side) -> float:
    """2 TP / (2 TP + FP + FN)"""
    return _ratio(2 * side.true_positives, side.positives + side.predicted_positives)


def _row(name: str, title: str, description: str, of: Callable[[counts.Side], float]) -> Statistic:
    return Statistic(name=name, title=title, description=description, of=of)


PERFORMANCE: tuple[Statistic, ...] = (
    _row("accuracy", "Accuracy", "Proportion of rows predicted as they are labelled.", accuracy),
    _row(
        "ppl",
        "Proportion of Positive Predictions in Labels",
        "Proportion of rows predicted the favourable outcome.",
        positive_predictions,
    ),
    _row(
        "pnl",
        "Proportion of Negative Predictions in Labels",
        "Proportion of rows not predicted the favourable outcome.",
        negative_predictions,
    ),
    _row(
        "recall",
        "True Positive Rate / Recall",
        "Proportion of rows with the favourable label that are predicted it.",
        recall,
    ),
    _row(
        "specificity",
        "True Negative Rate / Specificity",
        "Proportion of rows without the favourable label that are not predicted it.",
        specificity,
    ),
    _row(
        "precision",
        "Acceptance Rate / Precision",
        "Proportion of rows predicted the favourable outcome that have it.",
        precision,
    ),
    _row(
        "rejection_rate",
        "Rejection Rate",
        "Proportion of rows not predicted the favourable outcome that do not have it.",
        rejection_rate,
    ),
    _row(
        "conditional_acceptance",
        "Conditional Acceptance",
        "Rows with the favourable label for each row predicted it.",
        conditional_acceptance,
    ),
    _row(
        "conditional_rejection",
        "Conditional Rejection",
        "Rows without the favourable label for each row not predicted it.",
        conditional_rejection,
    ),
    _row("f1", "F1 Score", "Harmonic mean of precision and recall.", f1),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """Numbers about the rows of one side.

    proportion: its share of all rows. label_distribution: [favourable, other]. confusion_matrix: [TP, FP, FN, TN] as
    shares of the side's rows, empty without predictions, as is performance.
    """

    n_rows: int
    proportion: float
    label_distribution: tuple[float, float]
    confusion_matrix: tuple[float, ...]
    performance: dict[str, float]


def describe(side: counts.Side, n_rows: float) -> Statistics:
    """The statistics of one side among n_rows."""
    matrix: tuple[float, ...] = ()
    performance: dict[str, float] = {}
    if side.predicts:
        cells = (side.true_positives, side.false_positives, side.false_negatives, side.true_negatives)
        matrix = tuple(_ratio(cell, side.n) for cell in cells)
        performance = {statistic.name: statistic.of(side) for statistic in PERFORMANCE}
    return Statistics(
        n_rows=int(side.n),
        proportion=float(side.n) / n_rows,
        label_distribution=(_ratio(side.positives, side.n), _ratio(side.negatives, side.n)),
        confusion_matrix=matrix,
        performance=performance,
    )
