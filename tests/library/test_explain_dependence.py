"""Partial dependence, ICE and permutation importance, against scikit-learn and against their laws."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import ensemble, inspection, metrics

from glasskit.explain import dependence

RANDOM = np.random.default_rng(3)
X = RANDOM.normal(size=(60, 3)).round(1)
Y = X[:, 0] * X[:, 1] + 2.0 * X[:, 0]
NAMES = ["a", "b", "c"]


def model() -> ensemble.GradientBoostingRegressor:
    return ensemble.GradientBoostingRegressor(n_estimators=8, random_state=0).fit(X, Y)


@pytest.mark.parametrize("features", ["a", ("a", "b")])
@pytest.mark.parametrize("resolution", [7, 100])
def test_partial_dependence_and_ice_are_those_of_scikit_learn(
    features: str | tuple[str, ...], resolution: int
) -> None:
    fitted = model()
    ours = dependence.partial_dependence(
        fitted.predict, X, features, feature_names=NAMES, grid_resolution=resolution
    )
    wanted = [NAMES.index(name) for name in features]
    theirs = inspection.partial_dependence(
        fitted, X, wanted, grid_resolution=resolution, method="brute", kind="both"
    )
    for grid, expected in zip(ours.grids, theirs["grid_values"], strict=True):
        assert grid == pytest.approx(expected)
    theirs = inspection.partial_dependence(
        fitted,
        X,
        wanted,
        method="brute",
        kind="both",
        custom_values=dict(zip(wanted, ours.grids, strict=True)),
    )
    assert ours.mean == pytest.approx(theirs["average"][0])
    assert ours.individual == pytest.approx(theirs["individual"][0])


def test_curves_can_start_together() -> None:
    found = dependence.partial_dependence(model().predict, X, "a", feature_names=NAMES)
    assert not found.centred()[:, 0].any()


def test_few_values_are_the_grid_and_missing_ones_are_not() -> None:
    column = np.array([1.0, 3.0, np.nan, 3.0])
    assert dependence.grid(column, 5, (0.05, 0.95)).tolist() == [1.0, 3.0]
    with pytest.raises(ValueError, match="without a value"):
        dependence.grid(np.array([np.nan]), 5, (0.05, 0.95))


def test_importance_is_about_that_of_scikit_learn() -> None:
    fitted = model()
    ours = dependence.permutation_importance(
        fitted.predict, X, Y, score=metrics.r2_score, feature_names=NAMES, n_repeats=40
    )
    theirs = inspection.permutation_importance(fitted, X, Y, n_repeats=40, random_state=0)
    error = 4.0 * (ours.deviation + theirs.importances_std) / np.sqrt(40)
    assert (np.abs(ours.mean - theirs.importances_mean) <= error + 1e-9).all()
    assert ours.score == pytest.approx(fitted.score(X, Y))


def test_a_column_the_model_ignores_has_no_importance_and_a_seed_settles_the_rest() -> None:
    def asked(seed: int) -> np.ndarray:
        return dependence.permutation_importance(
            lambda rows: rows[:, 0], X, Y, score=metrics.r2_score, feature_names=NAMES, seed=seed
        ).losses

    assert not asked(0)[1:].any()
    assert np.array_equal(asked(1), asked(1))
    assert not np.array_equal(asked(1), asked(2))


def test_groups_are_shuffled_together() -> None:
    found = dependence.permutation_importance(
        lambda rows: rows[:, 0] - rows[:, 1],
        np.repeat(X[:, :1], 3, axis=1),
        np.zeros(60),
        score=lambda truth, told: -float(np.abs(truth - told).mean()),
        feature_names=NAMES,
        groups={"both": ["a", "b"]},
    )
    assert found.feature_names == ("both", "c")
    assert not found.losses.any()


@pytest.mark.parametrize("wrong", [{"features": "zodiac"}, {"features": ()}, {"grid_resolution": 1}])
def test_what_cannot_be_asked_is_refused(wrong: dict[str, object]) -> None:
    asked = {"features": "a", "feature_names": NAMES} | wrong
    with pytest.raises(ValueError, match=r"columns|grid_resolution"):
        dependence.partial_dependence(model().predict, X, **asked)
