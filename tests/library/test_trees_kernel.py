"""The compiled kernel: the reference's numbers, and the same bits however it is run."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glasskit import trees
from glasskit.trees import compiled, evaluate, kernel, quadrature
from glasskit.trees.kernel import compiling
from tests.library import tree_games
from tests.library.test_trees_laws import chain

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(kernel.load() is None, reason="no kernel was built on this machine"),
]
many = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def engine() -> kernel.Kernel:
    loaded = kernel.load()
    assert loaded is not None
    return loaded


def at_level(ensemble: trees.Ensemble, level: int, rows: np.ndarray) -> list[np.ndarray]:
    """SHAP values, interactions and margins with one instruction set, as bits."""
    model = compiled.Compiled(evaluate.flatten(ensemble), engine(), level)
    n_rows, n_features, n_outputs = len(rows), ensemble.n_features, ensemble.n_outputs
    values = np.empty((n_rows, n_features, n_outputs))
    pairs = np.empty((n_rows, n_features, n_features, n_outputs))
    margins = [np.empty((n_rows, n_outputs)) for _ in range(3)]
    model.shap(rows, values, margins[0])
    model.interactions(rows, pairs, margins[1])
    model.margins(rows, margins[2])
    return [array.view(np.int64) for array in (values, pairs, *margins)]


@many
@given(ensemble=tree_games.random_ensembles(deepest=7), rows=tree_games.random_rows(most=12))
def test_the_kernel_agrees_with_the_reference(ensemble: trees.Ensemble, rows: np.ndarray) -> None:
    fast, slow = trees.Explainer(ensemble), trees.Explainer(ensemble, backend="reference")
    assert (fast.backend, slow.backend) == (trees.backend(), "NumPy")
    assert np.array_equal(fast.predict_margin(rows), slow.predict_margin(rows))
    np.testing.assert_allclose(fast.expected_value, slow.expected_value, rtol=0, atol=1e-12)
    ours, theirs = fast.shap_values(rows), slow.shap_values(rows)
    np.testing.assert_allclose(ours.values, theirs.values, rtol=0, atol=1e-12)
    pairs = fast.interaction_values(rows).values, slow.interaction_values(rows).values
    np.testing.assert_allclose(*pairs, rtol=0, atol=1e-12)


@many
@given(ensemble=tree_games.random_ensembles(deepest=7), rows=tree_games.random_rows(most=12))
def test_every_instruction_set_gives_the_same_bits(ensemble: trees.Ensemble, rows: np.ndarray) -> None:
    plain, *others = (at_level(ensemble, level, rows) for level in engine().levels())
    for other in others:
        assert all(np.array_equal(ours, theirs) for ours, theirs in zip(plain, other, strict=True))


@many
@given(
    ensemble=tree_games.random_ensembles(deepest=6),
    rows=tree_games.random_rows(most=20),
    level=st.sampled_from(range(engine().level + 1 if kernel.load() else 1)),
)
def test_a_row_alone_gets_the_bits_it_gets_among_others(
    ensemble: trees.Ensemble, rows: np.ndarray, level: int
) -> None:
    together = at_level(ensemble, level, rows)
    alone = [at_level(ensemble, level, row[np.newaxis]) for row in rows]
    for number, whole in enumerate(together):
        assert np.array_equal(whole, np.concatenate([parts[number] for parts in alone]))
    assert np.array_equal(together[2], together[3])
    assert np.array_equal(together[2], together[4])


def forest_of_chains(depth: int) -> trees.Ensemble:
    names = tuple(f"x{index}" for index in range(depth))
    return trees.Ensemble(trees=(chain(depth), chain(3), chain(depth // 2)), feature_names=names)


@pytest.mark.parametrize("depth", [1, 2, 15, 16, 17, 33, 90])
def test_trees_of_any_depth_agree_with_the_reference(depth: int) -> None:
    ensemble = forest_of_chains(depth) if depth > 2 else trees.Ensemble(
        trees=(chain(depth),), feature_names=("a", "b")[:depth]
    )  # fmt: skip
    rows = np.random.default_rng(depth).normal(0.5, 1, size=(19, depth))
    slow = trees.Explainer(ensemble, backend="reference").shap_values(rows).values
    explainer = trees.Explainer(ensemble)
    assert explainer.backend.startswith("C")
    np.testing.assert_allclose(explainer.shap_values(rows).values, slow, rtol=0, atol=1e-11)
    alone = np.concatenate([explainer.shap_values(row).values for row in rows])
    assert np.array_equal(alone, explainer.shap_values(rows).values)


def test_a_tree_too_deep_for_the_kernel_is_left_to_the_reference() -> None:
    depth = compiled.MOST_LEVELS + 1
    ensemble = trees.Ensemble(trees=(chain(depth),), feature_names=tuple(f"x{i}" for i in range(depth)))
    assert trees.Explainer(ensemble).backend == "NumPy"


def test_threads_blocks_and_progress_change_no_bit() -> None:
    ensemble = forest_of_chains(12)
    rows = np.random.default_rng(1).normal(size=(10_000, 12))
    reports: list[tuple[int, int]] = []
    by_threads = [
        trees.Explainer(ensemble, n_threads=n).shap_values(rows, progress=lambda *done: reports.append(done))
        for n in (1, 2, 5)
    ]
    assert np.array_equal(by_threads[0].values, by_threads[1].values)
    assert np.array_equal(by_threads[0].values, by_threads[2].values)
    assert reports[:3] == [(4096, 10_000), (8192, 10_000), (10_000, 10_000)]


def test_an_interrupt_from_the_progress_bar_leaves_the_explainer_usable() -> None:
    explainer = trees.Explainer(forest_of_chains(5), n_threads=2)
    rows = np.random.default_rng(1).normal(size=(20_000, 5))

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        explainer.shap_values(rows, progress=stop)
    assert explainer.shap_values(rows).values.shape == (20_000, 5)


def test_a_row_that_does_not_add_up_is_named_across_blocks() -> None:
    huge = chain(1, values=[1.0, 1e308])
    ensemble = trees.Ensemble(trees=(huge, huge), feature_names=("a",))
    rows = np.full((9000, 1), -1.0)
    rows[5000] = 1.0
    with pytest.raises(trees.AdditivityViolated, match="row 5000 "):
        trees.Explainer(ensemble).shap_values(rows)


def test_quadrature_is_exact_for_polynomials() -> None:
    for n_points in range(1, 40):
        points, weights = quadrature.gauss_legendre(n_points)
        assert len(points) == n_points
        for power in range(2 * n_points):
            assert weights @ points**power == pytest.approx(1 / (power + 1), rel=1e-13)


def test_without_a_library_the_reference_takes_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(compiling, "LIBRARY", tmp_path / "absent.so")
    kernel.load.cache_clear()
    try:
        assert trees.backend() == "NumPy"
        assert trees.Explainer(forest_of_chains(3)).backend == "NumPy"
        assert caplog.text.count("trees.kernel_absent") == 1
    finally:
        monkeypatch.undo()
        kernel.load.cache_clear()


@pytest.mark.skipif(shutil.which("cc") is None, reason="this machine has no C compiler")
def test_the_kernel_compiles_where_a_compiler_is(tmp_path: Path) -> None:
    assert compiling.compiler() == compiling.system_compiler()
    assert compiling.build(compiling.compiler(), tmp_path / "kernel.so").stat().st_size > 0
    assert [path.name for path in tmp_path.iterdir()] == ["kernel.so"]
