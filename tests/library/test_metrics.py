"""glasskit.metrics against scikit-learn, which defines them the same way."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from glasskit import metrics
from glasskit.metrics import quality

classes = st.integers(0, 3)
pairs = st.lists(st.tuples(classes, classes), min_size=1, max_size=30).map(np.array)
binary = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=1, max_size=30).map(np.array)
scored = st.lists(st.tuples(st.integers(0, 1), st.floats(0, 1)), min_size=2, max_size=30)
numbers = st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)), min_size=2, max_size=30).map(
    np.array
)

Oracle = Callable[..., float]
MULTICLASS: dict[str, Oracle] = {
    "accuracy": oracle.accuracy_score,
    "balanced_accuracy": oracle.balanced_accuracy_score,
    "f1": lambda y, p: oracle.f1_score(y, p, average="macro", zero_division=0),
    "f1_macro": lambda y, p: oracle.f1_score(y, p, average="macro", zero_division=0),
    "precision_macro": lambda y, p: oracle.precision_score(y, p, average="macro", zero_division=0),
    "precision_micro": lambda y, p: oracle.precision_score(y, p, average="micro", zero_division=0),
    "recall_macro": lambda y, p: oracle.recall_score(y, p, average="macro", zero_division=0),
    "recall_micro": lambda y, p: oracle.recall_score(y, p, average="micro", zero_division=0),
}
BINARY: dict[str, Oracle] = {
    "f1_binary": lambda y, p: oracle.f1_score(y, p, zero_division=0),
    "precision": lambda y, p: oracle.precision_score(y, p, zero_division=0),
    "recall": lambda y, p: oracle.recall_score(y, p, zero_division=0),
}
VALUES: dict[str, Oracle] = {
    "mse": oracle.mean_squared_error,
    "rmse": oracle.root_mean_squared_error,
    "mae": oracle.mean_absolute_error,
    "r2": oracle.r2_score,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MULTICLASS)
@settings(max_examples=25, deadline=None)
@given(rows=pairs)
def test_metrics_of_classes_equal_the_oracle(name: str, rows: np.ndarray) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = MULTICLASS[name](rows[:, 0], rows[:, 1])
    assert metrics.find(name).of(rows[:, 0], rows[:, 1]) == pytest.approx(expected)


@pytest.mark.slow
@pytest.mark.parametrize("name", BINARY)
@settings(max_examples=25, deadline=None)
@given(rows=binary)
def test_metrics_of_two_classes_equal_the_oracle(name: str, rows: np.ndarray) -> None:
    assert metrics.find(name).of(rows[:, 0], rows[:, 1]) == pytest.approx(
        BINARY[name](rows[:, 0], rows[:, 1])
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", VALUES)
@settings(max_examples=25, deadline=None)
@given(rows=numbers)
def test_metrics_of_values_equal_the_oracle(name: str, rows: np.ndarray) -> None:
    assume(np.ptp(rows[:, 0]) > 1e-3)
    assert metrics.find(name).of(rows[:, 0], rows[:, 1]) == pytest.approx(
        VALUES[name](rows[:, 0], rows[:, 1])
    )


@settings(max_examples=25, deadline=None)
@given(rows=scored)
def test_auc_and_log_loss_equal_the_oracle(rows: list[tuple[int, float]]) -> None:
    label, score = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    assume(0 < label.sum() < len(label))
    assert metrics.find("auc").of(label, score) == pytest.approx(oracle.roc_auc_score(label, score))
    assert metrics.find("log_loss").of(label, score) == pytest.approx(oracle.log_loss(label, score))


def test_auc_of_one_class_is_undefined() -> None:
    with pytest.raises(quality.Undefined):
        metrics.find("auc").of(np.ones(3), np.ones(3))


def test_binary_metrics_refuse_more_than_two_classes() -> None:
    with pytest.raises(quality.Undefined, match="multiclass"):
        metrics.find("precision").of(np.array([0, 2]), np.array([0, 1]))


def test_every_listed_metric_is_found_by_its_name() -> None:
    assert all(metrics.find(name).name == name for name in metrics.names())
