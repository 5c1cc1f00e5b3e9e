"""The quality metrics of a kind of problem, against scikit-learn and Amazon's documented example."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as oracle

from glasskit import metrics

bits = st.integers(0, 1)
scored = st.lists(st.tuples(bits, bits, st.integers(0, 6)), min_size=1, max_size=40)
both = scored.filter(lambda rows: len({row[0] for row in rows}) == 2)
classes = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40)
numbers = st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=2, max_size=30)


def columns(rows: list[tuple[float, ...]]) -> list[np.ndarray]:
    return [np.array(column) for column in zip(*rows, strict=True)]


def test_the_documented_example_of_two_classes_comes_out() -> None:
    label, predicted = [0, 0, 0, 1], [0, 1, 1, 1]
    found = metrics.binary(label, predicted)
    assert found.confusion is not None
    assert found.confusion.to_json() == {"0": {"0": 1, "1": 2}, "1": {"0": 0, "1": 1}}
    documented = {
        "recall": 1.0,
        "precision": 1 / 3,
        "accuracy": 0.5,
        "recall_best_constant_classifier": 1.0,
        "precision_best_constant_classifier": 0.25,
        "accuracy_best_constant_classifier": 0.25,
        "true_positive_rate": 1.0,
        "true_negative_rate": 1 / 3,
        "false_positive_rate": 2 / 3,
        "false_negative_rate": 0.0,
        "f0_5": 0.3846153846153846,
        "f1": 0.5,
        "f2": 0.7142857142857143,
        "f0_5_best_constant_classifier": 0.29411764705882354,
        "f1_best_constant_classifier": 0.4,
        "f2_best_constant_classifier": 0.625,
    }
    assert dict(found.values) == pytest.approx(documented)


def test_the_documented_example_of_several_classes_comes_out() -> None:
    label, predicted = (
        np.repeat([0, 0, 1, 1], [1180, 510, 268, 138]),
        np.repeat([0, 1, 0, 1], [1180, 510, 268, 138]),
    )
    values = metrics.multiclass(label, predicted).values
    documented = {
        "accuracy": 0.6288167938931297,
        "weighted_recall": 0.6288167938931297,
        "weighted_precision": 0.6983172269629505,
        "weighted_f0_5": 0.6803947317178771,
        "weighted_f1": 0.6571162346664904,
        "weighted_f2": 0.6384024354394601,
    }
    assert {name: values[name] for name in documented} == pytest.approx(documented)
    assert values["accuracy_best_constant_classifier"] == pytest.approx(1690 / 2096)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(rows=both)
def test_metrics_of_two_classes_equal_the_oracle(rows: list[tuple[int, int, int]]) -> None:
    label, predicted, level = columns(rows)
    score = level / 6
    values = metrics.binary(label, predicted, score=score).values
    constant = np.ones_like(label)
    for beta, name in ((0.5, "f0_5"), (1.0, "f1"), (2.0, "f2")):
        for said, suffix in ((predicted, ""), (constant, "_best_constant_classifier")):
            expected = oracle.fbeta_score(label, said, beta=beta, zero_division=0)
            assert values[name + suffix] == pytest.approx(expected)
    assert (
        values["recall"]
        == values["true_positive_rate"]
        == pytest.approx(oracle.recall_score(label, predicted))
    )
    assert values["precision"] == pytest.approx(oracle.precision_score(label, predicted, zero_division=0))
    assert values["accuracy"] == pytest.approx(oracle.accuracy_score(label, predicted))
    specificity = oracle.recall_score(1 - label, 1 - predicted)
    assert values["true_negative_rate"] == pytest.approx(specificity)
    assert values["false_positive_rate"] == pytest.approx(1 - specificity)
    assert values["false_negative_rate"] == pytest.approx(1 - values["recall"])
    assert values["auc"] == pytest.approx(oracle.roc_auc_score(label, score))
    assert values["brier"] == pytest.approx(oracle.brier_score_loss(label, score))
    assert values["log_loss"] == pytest.approx(oracle.log_loss(label, score))


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(rows=both)
def test_curves_equal_the_oracle(rows: list[tuple[int, int, int]]) -> None:
    label, _, score = columns(rows)
    roc, curve = metrics.roc(label, score), metrics.precision_recall(label, score)
    false, true, thresholds = oracle.roc_curve(label, score, drop_intermediate=False)
    np.testing.assert_allclose([roc.false_positive_rates, roc.true_positive_rates], [false, true], atol=1e-12)
    np.testing.assert_array_equal(roc.thresholds, thresholds)
    precisions, recalls, _ = oracle.precision_recall_curve(label, score)
    np.testing.assert_allclose(curve.precisions[1:], precisions[::-1][1:], atol=1e-12)
    np.testing.assert_allclose(curve.recalls, recalls[::-1], atol=1e-12)
    area = metrics.find("average_precision").of(label, score)
    assert area == pytest.approx(oracle.average_precision_score(label, score))


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(rows=classes)
def test_metrics_of_several_classes_equal_the_oracle(rows: list[tuple[int, int]]) -> None:
    label, predicted = columns(rows)
    values = metrics.multiclass(label, predicted).values
    counts = np.bincount(label)
    constant = np.full_like(label, counts.argmax())
    for said, suffix in ((predicted, ""), (constant, "_best_constant_classifier")):
        weighted = {"average": "weighted", "zero_division": 0}
        expected = {
            "accuracy": oracle.accuracy_score(label, said),
            "weighted_recall": oracle.recall_score(label, said, **weighted),
            "weighted_precision": oracle.precision_score(label, said, **weighted),
            "weighted_f0_5": oracle.fbeta_score(label, said, beta=0.5, **weighted),
            "weighted_f1": oracle.f1_score(label, said, **weighted),
            "weighted_f2": oracle.fbeta_score(label, said, beta=2, **weighted),
        }
        assert {name: values[name + suffix] for name in expected} == pytest.approx(expected)
    table = metrics.multiclass(label, predicted).confusion
    assert table is not None
    counted = [
        [sum((label == one) & (predicted == other)) for other in table.classes] for one in table.classes
    ]
    assert table.counts.tolist() == counted


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(rows=numbers)
def test_metrics_of_numbers_equal_the_oracle(rows: list[tuple[float, float]]) -> None:
    label, predicted = columns(rows)
    values = metrics.regression(label, predicted).values
    assert values["mae"] == pytest.approx(oracle.mean_absolute_error(label, predicted))
    assert values["mse"] == pytest.approx(oracle.mean_squared_error(label, predicted))
    assert values["rmse"] == pytest.approx(oracle.root_mean_squared_error(label, predicted))
    if np.ptp(label) > 1e-3:
        assert values["r2"] == pytest.approx(oracle.r2_score(label, predicted))


def test_scores_alone_are_cut_at_the_threshold_which_is_exclusive() -> None:
    found = metrics.binary(["no", "yes", "yes"], score=[0.5, 0.5, 0.6], positive="yes")
    assert found.values["recall"] == 0.5
    assert found.values["false_positive_rate"] == 0


def test_what_one_class_leaves_undefined_is_named() -> None:
    found = metrics.binary([1, 1], score=[0.2, 0.9])
    assert found.undefined == {"auc": "AUC needs rows of both classes"}
    assert "auc" not in found.values


def test_deviations_come_with_two_hundred_rows_and_are_seeded() -> None:
    stream = np.random.default_rng(0)
    label, predicted = stream.integers(0, 2, 200), stream.integers(0, 2, 200)
    few, many = metrics.binary(label[:199], predicted[:199]), metrics.binary(label, predicted)
    assert few.standard_deviations == {}
    assert 0 < many.standard_deviations["accuracy"] < 0.05
    assert many.standard_deviations == metrics.binary(label, predicted).standard_deviations
    assert many.standard_deviations != metrics.binary(label, predicted, seed=1).standard_deviations


def test_evaluations_are_json_in_the_shape_of_model_monitor() -> None:
    found = metrics.binary([0, 1, 1, 0], score=np.array([0.1, 0.9, 0.4, 0.6]))
    answer = json.loads(json.dumps(found.to_json(), allow_nan=False))["binary_classification_metrics"]
    assert answer["recall"] == {"value": 0.5, "standard_deviation": "NaN"}
    assert answer["receiver_operating_characteristic_curve"]["false_positive_rates"] == [0, 0, 0.5, 0.5, 1]
    assert answer["precision_recall_curve"]["recalls"] == [0, 0.5, 0.5, 1, 1]
    assert list(metrics.regression([1.0, 2.0], [1.0, 2.5]).to_json()) == ["regression_metrics"]


def test_long_curves_are_thinned_and_keep_their_ends() -> None:
    score = np.linspace(0, 1, 5000)
    shown = metrics.roc(score > 0.5, score).to_json(points=50)["true_positive_rates"]
    assert (len(shown), shown[0], shown[-1]) == (50, 0.0, 1.0)


@pytest.mark.parametrize(
    ("label", "predicted", "message"),
    [
        ([0, 1], [0], "need one value per row"),
        ([0, 1, 2], [0, 1, 1], "label has 3 different values"),
        ([0, 1], None, "predicted labels or scores are needed"),
        ([], [], "need one value per row"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(
    label: list[int], predicted: list[int] | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        metrics.binary(label, predicted)


def test_infinite_values_are_texts_in_json() -> None:
    found = metrics.regression([0.0, 1.0], [0.0, math.inf]).to_json()["regression_metrics"]
    assert found["mae"]["value"] == "inf"
