"""Laws of the tree explainer, checked on random ensembles against the definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from glasskit import trees
from tests.library import tree_games

pytestmark = pytest.mark.slow
several = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
few = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def by_output(array: np.ndarray, ensemble: trees.Ensemble) -> np.ndarray:
    return array[..., np.newaxis] if ensemble.n_outputs == 1 else array


@several
@given(ensemble=tree_games.random_ensembles(), rows=tree_games.random_rows())
def test_margins_equal_a_walk_down_the_trees(ensemble: trees.Ensemble, rows: np.ndarray) -> None:
    margins = by_output(trees.Explainer(ensemble).predict_margin(rows), ensemble)
    for index, row in enumerate(rows):
        walked = [tree_games.margin(ensemble, row, output) for output in range(ensemble.n_outputs)]
        assert margins[index].tolist() == walked


@several
@given(ensemble=tree_games.random_ensembles(), rows=tree_games.random_rows(most=2))
def test_shap_values_equal_enumeration(ensemble: trees.Ensemble, rows: np.ndarray) -> None:
    explainer = trees.Explainer(ensemble)
    explained = explainer.shap_values(rows)
    values, bases = by_output(explained.values, ensemble), by_output(explained.base_values, ensemble)
    for index, row in enumerate(rows):
        for output in range(ensemble.n_outputs):
            worth = tree_games.game(ensemble, row, output)
            np.testing.assert_allclose(
                values[index, :, output], tree_games.shapley_values(worth), rtol=0, atol=1e-12
            )
            assert bases[index, output] == pytest.approx(worth(frozenset()), abs=1e-12)


@few
@given(ensemble=tree_games.random_ensembles(), rows=tree_games.random_rows(most=1))
def test_interaction_values_equal_enumeration(ensemble: trees.Ensemble, rows: np.ndarray) -> None:
    values = by_output(trees.Explainer(ensemble).interaction_values(rows).values, ensemble)
    for output in range(ensemble.n_outputs):
        expected = tree_games.shapley_interactions(tree_games.game(ensemble, rows[0], output))
        np.testing.assert_allclose(values[0, :, :, output], expected, rtol=0, atol=1e-12)


@few
@given(ensemble=tree_games.random_ensembles(deepest=6), rows=tree_games.random_rows())
def test_interactions_are_symmetric_and_their_rows_sum_to_the_shap_values(
    ensemble: trees.Ensemble, rows: np.ndarray
) -> None:
    explainer = trees.Explainer(ensemble)
    values = explainer.interaction_values(rows).values
    np.testing.assert_allclose(values, np.swapaxes(values, 1, 2), rtol=0, atol=1e-12)
    np.testing.assert_allclose(values.sum(axis=2), explainer.shap_values(rows).values, rtol=0, atol=1e-12)


@few
@given(ensemble=tree_games.random_ensembles(deepest=6), rows=tree_games.random_rows(most=6))
def test_a_row_gets_the_same_bits_alone_and_in_company(ensemble: trees.Ensemble, rows: np.ndarray) -> None:
    explainer = trees.Explainer(ensemble)
    together = explainer.shap_values(rows).values
    alone = np.concatenate([explainer.shap_values(row).values for row in rows])
    assert np.array_equal(together, alone)


def test_a_single_leaf_explains_itself_by_its_base_value() -> None:
    leaf = trees.Tree(
        feature=[-1], test=[0], threshold=[0], missing=[0], default_left=[False], left=[-1], right=[-1],
        value=[2.5], cover=[7.0],
    )  # fmt: skip
    explainer = trees.Explainer(trees.Ensemble(trees=(leaf,), feature_names=("a", "b")))
    assert explainer.expected_value == 2.5
    assert explainer.shap_values([[1.0, 2.0]]).values.tolist() == [[0.0, 0.0]]
    assert explainer.interaction_values([[1.0, 2.0]]).values.tolist() == [[[0.0, 0.0], [0.0, 0.0]]]


def test_an_ensemble_without_trees_predicts_its_base_score() -> None:
    explainer = trees.Explainer(trees.Ensemble(trees=(), feature_names=("a",), base_scores=(0.25,)))
    assert explainer.predict_margin([[1.0], [2.0]]).tolist() == [0.25, 0.25]
    assert explainer.shap_values([[1.0]]).values.tolist() == [[0.0]]


def chain(depth: int, *, values: list[float] | None = None) -> trees.Tree:
    """A path of `depth` splits on features 0..depth-1, one leaf hanging off each."""
    n_nodes = 2 * depth + 1
    inner = range(0, 2 * depth, 2)
    left, right, feature = [-1] * n_nodes, [-1] * n_nodes, [-1] * n_nodes
    cover = [0.0] * n_nodes
    for level, node in enumerate(inner):
        left[node], right[node], feature[node] = node + 1, node + 2, level
        cover[node + 1] = 1.0
    for node in range(n_nodes - 1, -1, -1):
        cover[node] = cover[node] or (1.0 if left[node] < 0 else cover[left[node]] + cover[right[node]])
    leaf_values = iter(values or range(1, depth + 2))
    return trees.Tree(
        feature=feature, test=[0] * n_nodes, threshold=[0.0] * n_nodes, missing=[2] * n_nodes,
        default_left=[False] * n_nodes, left=left, right=right, cover=cover,
        value=[next(leaf_values) if child < 0 else 0.0 for child in left],
    )  # fmt: skip


def test_a_path_of_forty_features_still_adds_up() -> None:
    ensemble = trees.Ensemble(trees=(chain(40),), feature_names=tuple(f"x{index}" for index in range(40)))
    explainer = trees.Explainer(ensemble)
    rows = np.random.default_rng(0).normal(size=(5, 40))
    explained = explainer.shap_values(rows)
    total = explained.values.sum(axis=1) + explained.base_values
    np.testing.assert_allclose(total, explainer.predict_margin(rows), rtol=1e-13)


def test_an_explanation_that_does_not_add_up_is_an_error() -> None:
    overflowing = chain(1, values=[1e308, 1e308])
    ensemble = trees.Ensemble(trees=(overflowing, overflowing), feature_names=("a",))
    with np.errstate(all="ignore"), pytest.raises(trees.AdditivityViolated, match="row 0"):
        trees.Explainer(ensemble).shap_values([[1.0]])


def test_a_model_without_covers_predicts_but_is_not_explained() -> None:
    tree = trees.Tree(
        feature=[0, -1, -1], test=[0] * 3, threshold=[0.5, 0, 0], missing=[2] * 3, default_left=[True] * 3,
        left=[1, -1, -1], right=[2, -1, -1], value=[0, 1, 2], cover=[0, 0, 0],
    )  # fmt: skip
    explainer = trees.Explainer(trees.Ensemble(trees=(tree,), feature_names=("a",)))
    assert explainer.predict_margin([[0.0], [1.0]]).tolist() == [1.0, 2.0]
    with pytest.raises(trees.ModelUnsupported, match="how many training rows"):
        explainer.shap_values([[0.0]])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"left": [1, -1, 0]}, "child"),
        ({"left": [2, -1, -1]}, "child"),
        ({"threshold": [np.nan, 0, 0]}, "threshold"),
        ({"value": [0, np.inf, 0]}, "leaf value"),
        ({"cover": [1, -1, 2]}, "cover"),
        ({"value": [0, 1]}, "lengths"),
        ({"test": [2, 0, 0]}, "category"),
    ],
)
def test_a_tree_that_contradicts_itself_is_refused(change: dict[str, list[float]], reason: str) -> None:
    sound: dict[str, list[float]] = {
        "feature": [0, -1, -1], "test": [0] * 3, "threshold": [0.5, 0, 0], "missing": [2] * 3,
        "default_left": [1] * 3, "left": [1, -1, -1], "right": [2, -1, -1], "value": [0, 1, 2], "cover": [3, 1, 2],
    }  # fmt: skip
    with pytest.raises(trees.ModelUnreadable, match=reason):
        trees.Tree(**(sound | change))  # type: ignore[arg-type]  # lists where arrays are annotated
