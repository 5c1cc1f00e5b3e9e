"""The quality metrics of a kind of problem, under the names Model Monitor gives them.

Each is a row in a table: a function of the confusion (classes) or of the numbers (regression, scores). "Best constant
classifier" metrics are what predicting one class for every row would reach: the positive class of two, the most
frequent of several. (The examples in Amazon's documentation show the less frequent class there.)
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from glasskit.metrics import confusion, curves, quality

Problem = Literal["regression", "binary", "multiclass"]
Vector = npt.NDArray[Any]
OfTable = Callable[[confusion.Confusion], float]

_CONSTANT = "_best_constant_classifier"
_DRAWS, _DRAWN_SHARE, _ROWS_FOR_SPREAD = 5, 0.8, 200


def _of_class_1(scores: Callable[[confusion.Confusion], confusion.Floats]) -> OfTable:
    return lambda table: float(scores(table)[1])


def _true_negative_rate(table: confusion.Confusion) -> float:
    return float(confusion.recalls(table)[0])


def _false_positive_rate(table: confusion.Confusion) -> float:
    return float(confusion.ratio(table.counts[0, 1], table.actual[0]))


def _false_negative_rate(table: confusion.Confusion) -> float:
    return float(confusion.ratio(table.counts[1, 0], table.actual[1]))


def _f(beta: float) -> Callable[[confusion.Confusion], confusion.Floats]:
    return functools.partial(confusion.f_scores, beta=beta)


def _weighted(scores: Callable[[confusion.Confusion], confusion.Floats]) -> OfTable:
    return functools.partial(confusion.weighted, scores)


_BINARY_AND_CONSTANT: Mapping[str, OfTable] = {
    "recall": _of_class_1(confusion.recalls),
    "precision": _of_class_1(confusion.precisions),
    "accuracy": confusion.accuracy,
    "f0_5": _of_class_1(_f(0.5)),
    "f1": _of_class_1(_f(1.0)),
    "f2": _of_class_1(_f(2.0)),
}
_BINARY: Mapping[str, OfTable] = {
    **_BINARY_AND_CONSTANT,
    "true_positive_rate": _of_class_1(confusion.recalls),
    "true_negative_rate": _true_negative_rate,
    "false_positive_rate": _false_positive_rate,
    "false_negative_rate": _false_negative_rate,
}
_SCORED: Mapping[str, Callable[[Vector, Vector], float]] = {
    "auc": quality.auc,
    "log_loss": quality.log_loss,
    "brier": quality.brier,
}
_MULTICLASS: Mapping[str, OfTable] = {
    "accuracy": confusion.accuracy,
    "weighted_recall": _weighted(confusion.recalls),
    "weighted_precision": _weighted(confusion.precisions),
    "weighted_f0_5": _weighted(_f(0.5)),
    "weighted_f1": _weighted(_f(1.0)),
    "weighted_f2": _weighted(_f(2.0)),
}
_REGRESSION: Mapping[str, Callable[[Vector, Vector], float]] = {
    "mae": quality.mae,
    "mse": quality.mse,
    "rmse": quality.rmse,
    "r2": quality.r2,
}
_KEYS = {
    "regression": "regression_metrics",
    "binary": "binary_classification_metrics",
    "multiclass": "multiclass_classification_metrics",
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluation:
    """The quality of predictions. undefined: why a metric has no value.

    standard_deviations: over five draws of 80 % of the rows, as Model Monitor takes them (they measure the draws, and
    are smaller than a standard error); empty under 200 rows.
    """

    problem: Problem
    values: Mapping[str, float]
    standard_deviations: Mapping[str, float]
    undefined: Mapping[str, str]
    confusion: confusion.Confusion | None = None
    roc: curves.Roc | None = None
    precision_recall: curves.PrecisionRecall | None = None

    def to_json(self) -> dict[str, Any]:
        """As in Model Monitor's statistics.json; JSON-ready."""
        answer: dict[str, Any] = {}
        if self.confusion is not None:
            answer["confusion_matrix"] = self.confusion.to_json()
        for name, value in self.values.items():
            spread = self.standard_deviations.get(name, math.nan)
            answer[name] = {"value": _plain(value), "standard_deviation": _plain(spread)}
        if self.roc is not None and self.precision_recall is not None:
            answer["receiver_operating_characteristic_curve"] = self.roc.to_json()
            answer["precision_recall_curve"] = self.precision_recall.to_json()
        return {_KEYS[self.problem]: answer}


def _plain(value: float) -> float | str:
    """JSON has no number for what is none; Model Monitor writes the text NaN."""
    return value if math.isfinite(value) else "NaN" if math.isnan(value) else str(value)


def regression(label: npt.ArrayLike, predicted: npt.ArrayLike, *, seed: int = 0) -> Evaluation:
    """mae, mse, rmse and r2 of numbers (n,) predicted for numbers (n,)."""
    observed, forecast = _vectors(label, predicted)
    values, undefined = _computed(_REGRESSION, observed, forecast)
    return Evaluation(
        problem="regression",
        values=values,
        standard_deviations=_spread(
            lambda at: _computed(_REGRESSION, observed[at], forecast[at])[0], len(observed), seed
        ),
        undefined=undefined,
    )


def binary(
    label: npt.ArrayLike,
    predicted: npt.ArrayLike | None = None,
    *,
    score: npt.ArrayLike | None = None,
    threshold: float = 0.5,
    positive: object = 1,
    seed: int = 0,
) -> Evaluation:
    """The quality of predicted labels (n,), of scores (n,) or of both, for labels (n,) of two classes.

    score: the probability of the positive class; without `predicted` a row is predicted positive when its score lies
    above the threshold. Without scores there is no auc, log loss, Brier score or curve. Raises ValueError.
    """
    observed = _is(label, positive, "label")
    scores = None if score is None else np.asarray(score, np.float64)
    if predicted is not None:
        said = _is(predicted, positive, "predicted")
    elif scores is not None:
        said = scores > threshold
    else:
        raise ValueError("predicted labels or scores are needed")
    _vectors(observed, said if scores is None else scores)
    _vectors(observed, said)

    def computed(at: Any) -> tuple[dict[str, float], dict[str, str]]:
        table = _two(observed[at], said[at])
        constant = table.constantly(1)
        values = {name: of(table) for name, of in _BINARY.items()}
        values |= {f"{name}{_CONSTANT}": of(constant) for name, of in _BINARY_AND_CONSTANT.items()}
        if scores is None:
            return values, {}
        scored, undefined = _computed(_SCORED, observed[at].astype(np.intp), scores[at])
        return values | scored, undefined

    values, undefined = computed(slice(None))
    return Evaluation(
        problem="binary",
        values=values,
        standard_deviations=_spread(lambda at: computed(at)[0], len(observed), seed),
        undefined=undefined,
        confusion=_two(observed, said),
        roc=None if scores is None else curves.roc(observed, scores),
        precision_recall=None if scores is None else curves.precision_recall(observed, scores),
    )


def multiclass(label: npt.ArrayLike, predicted: npt.ArrayLike, *, seed: int = 0) -> Evaluation:
    """The quality of predicted classes (n,) for classes (n,), each class weighing its rows."""
    observed, forecast = _vectors(label, predicted)

    def computed(at: Any) -> dict[str, float]:
        table = confusion.of(observed[at], forecast[at])
        constant = table.constantly(int(table.actual.argmax()))
        values = {name: of(table) for name, of in _MULTICLASS.items()}
        return values | {f"{name}{_CONSTANT}": of(constant) for name, of in _MULTICLASS.items()}

    return Evaluation(
        problem="multiclass",
        values=computed(slice(None)),
        standard_deviations=_spread(computed, len(observed), seed),
        undefined={},
        confusion=confusion.of(observed, forecast),
    )


def _vectors(label: npt.ArrayLike, predicted: npt.ArrayLike) -> tuple[Vector, Vector]:
    observed, forecast = np.asarray(label), np.asarray(predicted)
    if observed.shape != forecast.shape or observed.ndim != 1 or not len(observed):
        raise ValueError(
            f"labels {observed.shape} and predictions {forecast.shape} need one value per row, and as many rows"
        )
    return observed, forecast


def _is(values: npt.ArrayLike, positive: object, name: str) -> Vector:
    array = np.asarray(values)
    different = np.unique(array).tolist()
    if len(different) > 2:
        raise ValueError(f"{name} has {len(different)} different values; two classes are needed")
    return np.asarray(array == positive)


def _two(label: Vector, predicted: Vector) -> confusion.Confusion:
    """The table of classes 0 and 1, even where one of them never occurs."""
    codes = label.astype(np.intp) * 2 + predicted
    counts = np.bincount(codes, minlength=4).reshape(2, 2).astype(np.float64)
    return confusion.Confusion(classes=(0, 1), counts=counts)


def _computed(
    table: Mapping[str, Callable[[Vector, Vector], float]], label: Vector, predicted: Vector
) -> tuple[dict[str, float], dict[str, str]]:
    values, undefined = {}, {}
    for name, of in table.items():
        try:
            values[name] = of(label, predicted)
        except quality.Undefined as exc:
            undefined[name] = str(exc)
    return values, undefined


def _spread(computed: Callable[[Any], Mapping[str, float]], n: int, seed: int) -> dict[str, float]:
    if n < _ROWS_FOR_SPREAD:
        return {}
    stream = np.random.Generator(np.random.PCG64(seed))
    draws = [
        computed(stream.choice(n, int(n * _DRAWN_SHARE), replace=False, shuffle=False)) for _ in range(_DRAWS)
    ]
    common = set.intersection(*(set(draw) for draw in draws))
    return {
        name: float(np.std([draw[name] for draw in draws], ddof=1)) for name in draws[0] if name in common
    }
