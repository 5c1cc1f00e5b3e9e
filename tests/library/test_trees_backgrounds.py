"""Interventional SHAP against a background, and lookup tables: the definition, the reference, and the same bits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from sklearn.ensemble import RandomForestRegressor

from glasskit import trees
from glasskit.trees import compiled, evaluate, kernel
from tests.library import tree_games
from tests.library.test_trees_laws import by_output, chain

pytestmark = pytest.mark.slow
several = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
few = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
needs_kernel = pytest.mark.skipif(kernel.load() is None, reason="no kernel was built on this machine")


def mixed_game(
    ensemble: trees.Ensemble, row: np.ndarray, background: np.ndarray, output: int
) -> Callable[[frozenset[int]], float]:
    """What the model says on average when features outside the coalition come from the background."""

    def worth(coalition: frozenset[int]) -> float:
        mixed = background.copy()
        mixed[:, list(coalition)] = row[list(coalition)]
        return float(np.mean([tree_games.margin(ensemble, each, output) for each in mixed]))

    return worth


@few
@given(
    ensemble=tree_games.random_ensembles(),
    rows=tree_games.random_rows(most=2),
    background=tree_games.random_rows(most=3),
)
def test_the_reference_equals_enumeration(
    ensemble: trees.Ensemble, rows: np.ndarray, background: np.ndarray
) -> None:
    explained = trees.Explainer(ensemble, background, backend="reference").shap_values(rows)
    values, bases = by_output(explained.values, ensemble), by_output(explained.base_values, ensemble)
    for index, row in enumerate(rows):
        for output in range(ensemble.n_outputs):
            worth = mixed_game(ensemble, row, background, output)
            expected = tree_games.shapley_values(worth)
            np.testing.assert_allclose(values[index, :, output], expected, rtol=0, atol=1e-12)
            assert bases[index, output] == pytest.approx(worth(frozenset()), abs=1e-12)


@needs_kernel
@several
@given(
    ensemble=tree_games.random_ensembles(deepest=7),
    rows=tree_games.random_rows(most=9),
    background=tree_games.random_rows(most=9),
)
def test_tables_agree_with_the_reference(
    ensemble: trees.Ensemble, rows: np.ndarray, background: np.ndarray
) -> None:
    for known in (None, background):
        fast = trees.Explainer(ensemble, known, tables=True)
        slow = trees.Explainer(ensemble, known, backend="reference")
        assert fast.backend.endswith("tables")
        ours, theirs = fast.shap_values(rows), slow.shap_values(rows)
        np.testing.assert_allclose(ours.values, theirs.values, rtol=0, atol=1e-12)
        np.testing.assert_allclose(ours.base_values, theirs.base_values, rtol=0, atol=1e-12)
        alone = np.concatenate([fast.shap_values(row).values for row in rows])
        assert np.array_equal(alone.view(np.int64), ours.values.view(np.int64))


def looked_up(
    ensemble: trees.Ensemble, level: int, background: np.ndarray | None, rows: np.ndarray, n_bytes: int
) -> tuple[np.ndarray, np.ndarray]:
    """SHAP values and margins from tables with one instruction set."""
    engine = kernel.load()
    assert engine is not None
    tables = compiled.Compiled(evaluate.flatten(ensemble), engine, level).tables(background, n_bytes)
    assert tables is not None
    values = np.empty((len(rows), ensemble.n_features, ensemble.n_outputs))
    margins = np.empty((len(rows), ensemble.n_outputs))
    tables.shap(rows, values, margins)
    return values, margins


def levels() -> range:
    engine = kernel.load()
    return engine.levels() if engine else range(0)


@needs_kernel
@several
@given(ensemble=tree_games.random_ensembles(deepest=6), rows=tree_games.random_rows(most=9))
def test_tables_give_the_same_bits_with_every_instruction_set_and_in_company(
    ensemble: trees.Ensemble, rows: np.ndarray
) -> None:
    company = np.tile(rows, (1 + 30 // len(rows), 1))
    margins = by_output(trees.Explainer(ensemble).predict_margin(company), ensemble)
    for n_bytes in (1 << 24, 0):  # with nothing but leaves that have no table
        seen = set()
        for level in levels():
            alone, _ = looked_up(ensemble, level, rows, rows, n_bytes)
            together, told = looked_up(ensemble, level, rows, company, n_bytes)
            assert told.tobytes() == margins.tobytes()
            assert together[: len(rows)].tobytes() == together[-len(rows) :].tobytes() == alone.tobytes()
            seen.add(alone.tobytes())
        assert len(seen) == 1


def bushy(n_features: int) -> trees.Ensemble:
    names = tuple(f"x{index}" for index in range(n_features))
    return trees.Ensemble(trees=(chain(n_features), chain(n_features // 2), chain(3)), feature_names=names)


@needs_kernel
@pytest.mark.parametrize("budget", [1 << 24, 1 << 16, 1 << 14])
@pytest.mark.parametrize("n_background", [0, 50])
def test_leaves_too_deep_for_a_table_are_computed(budget: int, n_background: int) -> None:
    random = np.random.default_rng(0)
    ensemble, rows = bushy(14), random.normal(0.7, 1, size=(40, 14))
    background = random.normal(0.7, 1, size=(n_background, 14)) if n_background else None
    fast = trees.Explainer(ensemble, background, tables=True, table_bytes=budget)
    slow = trees.Explainer(ensemble, background, backend="reference")
    ours, theirs = fast.shap_values(rows), slow.shap_values(rows)
    np.testing.assert_allclose(ours.values, theirs.values, rtol=0, atol=1e-12)
    assert fast.backend.startswith("C") or n_background
    if fast.backend.endswith("tables"):
        assert fast.size_bytes < budget + (1 << 16)


@needs_kernel
@pytest.mark.parametrize("depth", [9, 13, 18, 32])
@pytest.mark.parametrize("n_background", [1, 300])
def test_deep_paths_against_a_background_agree_with_the_reference_alone_and_by_the_thousand(
    depth: int, n_background: int
) -> None:
    random = np.random.default_rng(depth)
    ensemble = bushy(depth)
    background, rows = random.normal(0.9, 1, (n_background, depth)), random.normal(0.9, 1, (1100, depth))
    slow = trees.Explainer(ensemble, background, backend="reference").shap_values(rows[:40])
    for n_bytes in (1 << 24, 1 << 12):
        fast = trees.Explainer(ensemble, background, table_bytes=n_bytes, n_threads=1)
        assert fast.backend.endswith("tables")
        together = fast.shap_values(rows)
        np.testing.assert_allclose(together.values[:40], slow.values, rtol=0, atol=1e-12)
        np.testing.assert_allclose(together.base_values[:40], slow.base_values, rtol=0, atol=1e-12)
        alone = np.concatenate([fast.shap_values(row).values for row in rows[:40]])
        assert alone.tobytes() == together.values[:40].tobytes()
        by_level = {looked_up(ensemble, level, background, rows, n_bytes)[0].tobytes() for level in levels()}
        assert by_level == {together.values[..., np.newaxis].tobytes()}


@needs_kernel
def test_a_forest_too_large_for_tables_is_explained_against_a_background_in_compiled_code() -> None:
    random = np.random.default_rng(3)
    drawn = random.normal(size=(3000, 12))
    fitted = RandomForestRegressor(20, max_depth=9, random_state=0).fit(drawn, drawn[:, 0] * drawn[:, 1])
    ensemble, background, rows = trees.load(fitted), drawn[:60], drawn[100:160]
    fast = trees.Explainer(ensemble, background, table_bytes=1 << 20)
    slow = trees.Explainer(ensemble, background, backend="reference")
    assert fast.backend.endswith("tables")
    ours, theirs = fast.shap_values(rows), slow.shap_values(rows[:6])
    np.testing.assert_allclose(ours.values[:6], theirs.values, rtol=0, atol=1e-12)
    alone = np.concatenate([fast.shap_values(row).values for row in rows])
    assert alone.tobytes() == ours.values.tobytes()


@needs_kernel
@pytest.mark.parametrize("cover", [0.0, 3.0])
def test_a_path_that_contradicts_itself_is_never_taken(cover: float) -> None:
    tree = trees.Tree(
        feature=[0, 0, -1, -1, -1], test=[0] * 5, threshold=[0.5, 0.5, 0, 0, 0], missing=[2] * 5,
        default_left=[False] * 5, left=[1, 2, -1, -1, -1], right=[4, 3, -1, -1, -1],
        value=[0.0, 0.0, 1.0, 7.0, 2.0], cover=[9 + cover, 5 + cover, 5, cover, 4],
    )  # fmt: skip
    ensemble = trees.Ensemble(trees=(tree,), feature_names=("a", "b"))
    rows = np.array([[0.0, 0.0], [1.0, 0.0]])
    for known in (None, rows):
        fast = trees.Explainer(ensemble, known, tables=True).shap_values(rows)
        slow = trees.Explainer(ensemble, known, backend="reference").shap_values(rows)
        np.testing.assert_allclose(fast.values, slow.values, rtol=0, atol=1e-14)


@needs_kernel
def test_what_fits_in_no_table_is_explained_without() -> None:
    ensemble = bushy(40)
    rows = np.random.default_rng(0).normal(0.7, 1, size=(5, 40))
    assert trees.Explainer(ensemble, tables=True).backend == trees.backend()
    against = trees.Explainer(ensemble, rows)
    assert against.backend == "NumPy"
    assert against.shap_values(rows).values.shape == (5, 40)


def test_a_background_needs_rows() -> None:
    with pytest.raises(trees.BadInput, match="no rows"):
        trees.Explainer(bushy(4), np.empty((0, 4)))
