"""Explanations pair by pair: interactions against a background, and contributions to the prediction itself."""

from __future__ import annotations

import dataclasses
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
import shap
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn import ensemble as forests

import glasskit
from glasskit import trees
from glasskit.trees import against, evaluate, kernel, links
from tests.library import tree_games
from tests.library.test_trees_backgrounds import mixed_game
from tests.library.test_trees_laws import by_output, chain

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
few = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
several = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
needs_kernel = pytest.mark.skipif(kernel.load() is None, reason="no kernel was built on this machine")
ELEMENTWISE: list[links.LinkName] = ["identity", "logistic", "exp", "log1p_exp", "signed_square"]


@few
@given(
    ensemble=tree_games.random_ensembles(),
    rows=tree_games.random_rows(most=1),
    background=tree_games.random_rows(most=3),
)
def test_interactions_against_a_background_equal_enumeration(
    ensemble: trees.Ensemble, rows: np.ndarray, background: np.ndarray
) -> None:
    explained = trees.Explainer(ensemble, background, backend="reference").interaction_values(rows)
    values, bases = by_output(explained.values, ensemble), by_output(explained.base_values, ensemble)
    for output in range(ensemble.n_outputs):
        worth = mixed_game(ensemble, rows[0], background, output)
        expected = tree_games.shapley_interactions(worth)
        np.testing.assert_allclose(values[0, :, :, output], expected, rtol=0, atol=1e-12)
        assert bases[0, output] == pytest.approx(worth(frozenset()), abs=1e-12)


@needs_kernel
@several
@given(
    ensemble=tree_games.random_ensembles(deepest=7),
    rows=tree_games.random_rows(most=6),
    background=tree_games.random_rows(most=6),
    link=st.sampled_from([None, *ELEMENTWISE]),
)
def test_the_kernel_and_numpy_agree_on_every_pair(
    ensemble: trees.Ensemble, rows: np.ndarray, background: np.ndarray, link: links.LinkName | None
) -> None:
    forest, into = evaluate.flatten(ensemble), links.Link(name=link, scale=0.5) if link else None
    found = []
    for in_numpy in (False, True):
        engine = against.Against(forest, background, into, in_numpy=in_numpy)
        values = np.empty((len(rows), ensemble.n_features, ensemble.n_outputs))
        pairs = np.empty((len(rows), ensemble.n_features, ensemble.n_features, ensemble.n_outputs))
        sums = np.empty((len(rows), ensemble.n_outputs))
        engine.shap(rows, values, sums)
        engine.interactions(rows, pairs, sums)
        np.testing.assert_allclose(pairs, np.swapaxes(pairs, 1, 2), rtol=0, atol=0)
        scale = 1.0 + np.abs(values).max()
        np.testing.assert_allclose(pairs.sum(axis=2) / scale, values / scale, rtol=0, atol=1e-12)
        found.append((values / scale, pairs / scale))
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-11)


@few
@given(
    ensemble=tree_games.random_ensembles(),
    rows=tree_games.random_rows(most=3),
    background=tree_games.random_rows(most=4),
    link=st.sampled_from(ELEMENTWISE),
)
def test_contributions_to_the_prediction_are_those_to_the_margin_rescaled_for_every_background_row(
    ensemble: trees.Ensemble, rows: np.ndarray, background: np.ndarray, link: links.LinkName
) -> None:
    ensemble = dataclasses.replace(ensemble, link=links.Link(name=link))
    explainer = trees.Explainer(ensemble, background, space="prediction")
    explained = explainer.shap_values(rows)
    margins, expected = by_output(explainer.predict_margin(rows), ensemble), 0.0
    for other in background:
        one = trees.Explainer(ensemble, other, backend="reference")
        start = by_output(one.predict_margin(other), ensemble)
        apart = margins - start
        rise = ensemble.link.apply(margins) - ensemble.link.apply(start)
        is_near = np.abs(apart) < 1e-6
        slope = np.where(is_near, ensemble.link.slopes(margins, margins), rise / np.where(is_near, 1, apart))
        values = by_output(one.shap_values(rows).values, ensemble)
        expected = expected + values * slope[:, np.newaxis] / len(background)
    scale = 1.0 + np.abs(expected).max()
    np.testing.assert_allclose(
        by_output(explained.values, ensemble) / scale, expected / scale, rtol=0, atol=1e-9
    )
    total = explained.values.sum(axis=1) + explained.base_values
    np.testing.assert_allclose(total / scale, explainer.predict(rows) / scale, rtol=1e-9, atol=1e-9)
    assert explained.link == "identity"


def trained(objective: str = "binary", **parameters: Any) -> tuple[lightgbm.Booster, np.ndarray]:
    random = np.random.default_rng(0)
    rows = random.normal(size=(600, 5))
    labels = rows[:, 0] * rows[:, 1] + rows[:, 2] + random.normal(size=600) > 0
    data = lightgbm.Dataset(rows, labels.astype(float))
    settings = {"objective": objective, "verbose": -1, "num_leaves": 10, "num_threads": 1} | parameters
    return lightgbm.train(settings, data, 15), rows


def test_probabilities_are_explained_as_the_shap_package_explains_them() -> None:
    booster, rows = trained()
    background, asked = rows[:80], rows[100:140]
    theirs = shap.TreeExplainer(booster, background, model_output="probability")
    ours = trees.Explainer(trees.load(booster), background, space="probability")
    np.testing.assert_allclose(ours.shap_values(asked).values, theirs.shap_values(asked), rtol=0, atol=1e-7)
    assert ours.expected_value == pytest.approx(theirs.expected_value, abs=1e-12)
    assert ours.expected_value == pytest.approx(booster.predict(background).mean(), abs=1e-12)


def test_a_scaled_sigmoid_is_explained_in_its_own_probability() -> None:
    booster, rows = trained(sigmoid=1.7)
    explained = trees.Explainer(trees.load(booster), rows[:20], space="probability").shap_values(rows[:30])
    total = explained.values.sum(axis=1) + explained.base_values
    np.testing.assert_allclose(total, booster.predict(rows[:30]), rtol=0, atol=1e-12)
    assert explained.row(0).prediction == pytest.approx(booster.predict(rows[:1])[0], abs=1e-12)


def test_interactions_of_probabilities_sum_to_their_contributions() -> None:
    booster, rows = trained()
    explainer = trees.Explainer(trees.load(booster), rows[:20], space="probability")
    pairs, values = explainer.interaction_values(rows[:9]), explainer.shap_values(rows[:9])
    np.testing.assert_allclose(pairs.values.sum(axis=2), values.values, rtol=0, atol=1e-13)
    assert np.array_equal(pairs.base_values, values.base_values)


def test_almost_equal_margins_get_almost_equal_factors() -> None:
    link = links.Link(name="logistic")
    margins = np.full(9, 0.7)
    apart = np.array([0.0, 1e-15, 1e-12, 1e-9, 1e-7, 0.9999e-5, 1.0001e-5, 1e-4, 1e-3])
    share = 1 / (1 + np.exp(-0.7 - apart / 2))
    np.testing.assert_allclose(link.slopes(margins + apart, margins), share * (1 - share), rtol=1e-6)
    np.testing.assert_allclose(
        link.slopes(margins + apart, margins)[:7], share[:7] * (1 - share[:7]), rtol=1e-10
    )


def test_a_row_that_is_its_own_background_has_nothing_to_explain() -> None:
    booster, rows = trained()
    explained = trees.Explainer(trees.load(booster), rows[:1], space="probability").shap_values(rows[:1])
    assert not explained.values.any()


def test_threads_and_blocks_change_no_bit_of_a_probabilitys_contributions() -> None:
    booster, rows = trained(num_leaves=4)
    many = np.tile(rows, (10, 1))
    by_threads = [
        trees.Explainer(trees.load(booster), rows[:3], space="probability", n_threads=n)
        .shap_values(many)
        .values
        for n in (1, 2)
    ]
    assert np.array_equal(*by_threads)
    assert np.array_equal(by_threads[0][:600], by_threads[0][600:1200])


def test_a_large_background_is_gone_through_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    booster, rows = trained()
    ensemble = trees.load(booster)
    whole = trees.Explainer(ensemble, rows[:50], space="probability")
    expected, pairs = whole.shap_values(rows[:20]).values, whole.interaction_values(rows[:20]).values
    size_bytes = whole.size_bytes
    monkeypatch.setattr(against, "_BYTES_OF_WAYS", 7 * sum(tree.n_nodes for tree in ensemble.trees))
    parts = trees.Explainer(ensemble, rows[:50], space="probability")
    np.testing.assert_allclose(parts.shap_values(rows[:20]).values, expected, rtol=0, atol=1e-14)
    np.testing.assert_allclose(parts.interaction_values(rows[:20]).values, pairs, rtol=0, atol=1e-14)
    assert parts.size_bytes < size_bytes


def test_a_tree_too_deep_for_the_kernel_is_walked_by_numpy() -> None:
    depth = against.MOST_LEVELS + 1
    ensemble = trees.Ensemble(trees=(chain(depth, values=[1.0] * (depth + 1)),), feature_names=names(depth))
    explainer = trees.Explainer(ensemble, np.zeros((1, depth)), space="prediction")
    assert explainer.backend == "NumPy (pairs)"


def names(count: int) -> tuple[str, ...]:
    return tuple(f"x{index}" for index in range(count))


def test_a_forest_of_probabilities_is_explained_in_probabilities_as_it_stands() -> None:
    _, rows = trained()
    forest = forests.RandomForestClassifier(5, max_depth=4, random_state=0).fit(rows, rows[:, 0] > 0)
    ensemble = trees.load(forest)
    in_probability = trees.Explainer(ensemble, rows[:20], space="probability").shap_values(rows[:5]).values
    in_margin = trees.Explainer(ensemble, rows[:20]).shap_values(rows[:5]).values
    np.testing.assert_allclose(in_probability, in_margin, rtol=0, atol=1e-13)


def test_what_has_no_space_of_predictions_is_said() -> None:
    booster, rows = trained()
    ensemble = trees.load(booster)
    with pytest.raises(trees.BadInput, match="need a background: give rows"):
        trees.Explainer(ensemble, space="probability")
    with pytest.raises(ValueError, match="'logit' is no space"):
        trees.Explainer(ensemble, rows, space="logit")  # type: ignore[arg-type]  # what a caller may do
    with pytest.raises(ValueError, match="tables"):
        trees.Explainer(ensemble, rows, space="probability", tables=True)
    regression = trees.load(trained("regression")[0])
    with pytest.raises(trees.ModelUnsupported, match="space='margin'"):
        trees.Explainer(regression, rows, space="probability")
    softmax = dataclasses.replace(ensemble, link=links.Link(name="softmax"))
    with pytest.raises(trees.ModelUnsupported, match="feature_groups"):
        trees.Explainer(softmax, rows, space="probability")


def test_one_explainer_explains_trees_in_every_space() -> None:
    booster, rows = trained()
    frame = pd.DataFrame(rows, columns=trees.load(booster).feature_names)
    groups = {"both": list(frame.columns[:2])}
    explanation = glasskit.Explainer(booster, frame[:20], groups, space="probability")(frame[:5])
    total = explanation.values.sum(axis=1) + explanation.base_values
    np.testing.assert_allclose(total, booster.predict(rows[:5]), rtol=0, atol=1e-12)
    in_margin = glasskit.Explainer(booster, frame[:20], groups)(frame[:5]).values
    assert np.array_equal(
        glasskit.Explainer(booster, frame[:20], groups, space="log-odds")(frame[:5]).values, in_margin
    )
    with pytest.raises(ValueError, match="is no log-odds"):
        glasskit.Explainer(trained("regression")[0], space="log-odds")
    with pytest.raises(ValueError, match="already"):
        glasskit.Explainer(trees.Explainer(trees.load(booster)), frame)
    with pytest.raises(ValueError, match="no margin"):
        glasskit.Explainer(booster.predict, rows[:5], space="margin")


def test_a_small_game_of_groups_explains_the_probability_itself() -> None:
    """What the rescaling is not: the exact Shapley values of the transformed model, by enumeration."""
    booster, rows = trained()
    explainer = trees.Explainer(trees.load(booster))
    asked = glasskit.Explainer(explainer.predict, rows[:20], space="probability")
    assert asked.sampled(rows[:2]).method == "exact"
    rescaled = trees.Explainer(explainer.ensemble, rows[:20], space="probability").shap_values(rows[:2])
    explanation = asked(rows[:2])
    np.testing.assert_allclose(explanation.base_values, rescaled.base_values, rtol=0, atol=1e-12)
    assert 1e-4 < np.abs(explanation.values - rescaled.values).max() < 0.1
