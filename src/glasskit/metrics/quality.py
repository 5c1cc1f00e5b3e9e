"""Metrics of predictions against labels, each a row in one table.

Three kinds of input: "value" compares numbers, "label" compares class numbers, "score" takes the probability of
class 1. Definitions follow scikit-learn's, which the tests use as the oracle; a ratio with nothing below the line
is 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from glasskit.metrics import confusion, curves

if TYPE_CHECKING:
    import numpy.typing as npt

    Vector = npt.NDArray[Any]

Kind = Literal["value", "label", "score"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """`of(label, predicted)` takes two arrays of shape (n,); `maximise` says which way is better."""

    name: str
    kind: Kind
    maximise: bool
    of: Callable[[Vector, Vector], float]


class Undefined(ValueError):
    """The metric has no value for this input."""


def accuracy(label: Vector, predicted: Vector) -> float:
    """Share of rows predicted as what they are."""
    return float(np.mean(label == predicted))


def balanced_accuracy(label: Vector, predicted: Vector) -> float:
    """Mean recall over the classes that occur among the labels."""
    table = confusion.of(label, predicted)
    return float(np.mean(confusion.recalls(table)[table.actual > 0]))


def precision_macro(label: Vector, predicted: Vector) -> float:
    """Mean over classes of found / predicted."""
    return float(np.mean(confusion.precisions(confusion.of(label, predicted))))


def recall_macro(label: Vector, predicted: Vector) -> float:
    """Mean over classes of found / actual."""
    return float(np.mean(confusion.recalls(confusion.of(label, predicted))))


def f1_macro(label: Vector, predicted: Vector) -> float:
    """Mean over classes of 2 found / (predicted + actual)."""
    return float(np.mean(confusion.f_scores(confusion.of(label, predicted), 1.0)))


def _positive(label: Vector, predicted: Vector) -> tuple[float, float, float]:
    """Rows of class 1 found, predicted and actual. Raises Undefined when there are other classes than 0 and 1."""
    if not np.isin(np.union1d(label, predicted), (0, 1)).all():
        raise Undefined("Target is multiclass but average='binary'. Please choose another average setting.")
    return (
        float(np.sum((label == 1) & (predicted == 1))),
        float(np.sum(predicted == 1)),
        float(np.sum(label == 1)),
    )


def precision(label: Vector, predicted: Vector) -> float:
    """Of the rows predicted 1, the share that is 1."""
    found, said, _ = _positive(label, predicted)
    return found / said if said else 0.0


def recall(label: Vector, predicted: Vector) -> float:
    """Of the rows that are 1, the share predicted 1."""
    found, _, actual = _positive(label, predicted)
    return found / actual if actual else 0.0


def f1_binary(label: Vector, predicted: Vector) -> float:
    """2 found / (predicted + actual) for class 1."""
    found, said, actual = _positive(label, predicted)
    return 2 * found / (said + actual) if said + actual else 0.0


def mse(label: Vector, predicted: Vector) -> float:
    """Mean squared error."""
    return float(np.mean((np.asarray(label, float) - predicted) ** 2))


def rmse(label: Vector, predicted: Vector) -> float:
    """Root of the mean squared error."""
    return float(np.sqrt(mse(label, predicted)))


def mae(label: Vector, predicted: Vector) -> float:
    """Mean absolute error."""
    return float(np.mean(np.abs(np.asarray(label, float) - predicted)))


def r2(label: Vector, predicted: Vector) -> float:
    """1 - (squared error) / (squared error of the mean); 1 for a perfect and 0 for any other constant label."""
    error = float(np.sum((np.asarray(label, float) - predicted) ** 2))
    spread = float(np.sum((label - np.mean(label)) ** 2))
    if spread == 0:
        return 1.0 if error == 0 else 0.0
    return 1 - error / spread


def auc(label: Vector, score: Vector) -> float:
    """Area under the ROC curve: the chance that a row of class 1 scores above one of class 0, ties counted half.

    Raises Undefined when a class is missing. Source: Mann-Whitney U / (n0 n1).
    """
    positive = np.asarray(label) == 1
    n_positive, n_negative = int(positive.sum()), int((~positive).sum())
    if not n_positive or not n_negative:
        raise Undefined("AUC needs rows of both classes")
    _, inverse, size = np.unique(score, return_inverse=True, return_counts=True)
    last = np.cumsum(size)
    rank = (last - (size - 1) / 2)[inverse]
    u = float(rank[positive].sum()) - n_positive * (n_positive + 1) / 2
    return u / (n_positive * n_negative)


def log_loss(label: Vector, score: Vector) -> float:
    """Mean of -ln(probability given to what happened); probabilities are kept one float64 step from 0 and 1."""
    step = np.finfo(np.float64).eps
    p = np.clip(np.asarray(score, np.float64), step, 1 - step)
    y = np.asarray(label, np.float64)
    return float(-np.mean(y * np.log(p) + (1 - y) * np.log1p(-p)))


def brier(label: Vector, score: Vector) -> float:
    """Mean of (probability given to class 1 - what happened)²: 0 for a perfect, 1 for the worst score."""
    return float(np.mean((np.asarray(score, np.float64) - np.asarray(label, np.float64)) ** 2))


def average_precision(label: Vector, score: Vector) -> float:
    """Area under precision against recall, without interpolation. Raises Undefined without rows of class 1."""
    if not np.any(np.asarray(label) == 1):
        raise Undefined("average precision needs rows of class 1")
    return curves.average_precision(label, score)


_TABLE: tuple[Metric, ...] = (
    Metric(name="accuracy", kind="label", maximise=True, of=accuracy),
    Metric(name="balanced_accuracy", kind="label", maximise=True, of=balanced_accuracy),
    Metric(name="f1", kind="label", maximise=True, of=f1_macro),
    Metric(name="f1_binary", kind="label", maximise=True, of=f1_binary),
    Metric(name="f1_macro", kind="label", maximise=True, of=f1_macro),
    Metric(name="precision", kind="label", maximise=True, of=precision),
    Metric(name="precision_macro", kind="label", maximise=True, of=precision_macro),
    Metric(name="precision_micro", kind="label", maximise=True, of=accuracy),
    Metric(name="recall", kind="label", maximise=True, of=recall),
    Metric(name="recall_macro", kind="label", maximise=True, of=recall_macro),
    Metric(name="recall_micro", kind="label", maximise=True, of=accuracy),
    Metric(name="mse", kind="value", maximise=False, of=mse),
    Metric(name="rmse", kind="value", maximise=False, of=rmse),
    Metric(name="mae", kind="value", maximise=False, of=mae),
    Metric(name="r2", kind="value", maximise=True, of=r2),
    Metric(name="auc", kind="score", maximise=True, of=auc),
    Metric(name="log_loss", kind="score", maximise=False, of=log_loss),
    Metric(name="brier", kind="score", maximise=False, of=brier),
    Metric(name="average_precision", kind="score", maximise=True, of=average_precision),
)


def names() -> tuple[str, ...]:
    """The names of all metrics."""
    return tuple(metric.name for metric in _TABLE)


def find(name: str) -> Metric:
    """The metric of that name. Raises KeyError."""
    for metric in _TABLE:
        if metric.name == name:
            return metric
    raise KeyError(name)
