"""Sampled explanations add up, agree with enumeration and with shap, and know how wrong they are."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest
import shap
from hypothesis import given, settings
from hypothesis import strategies as st

from glasskit.explain import games, sampling

RANDOM = np.random.default_rng(7)
BACKGROUND = RANDOM.normal(size=(5, 12))
ROWS = RANDOM.normal(size=(2, 12))


def bumpy(rows: np.ndarray) -> np.ndarray:
    """A function with interactions of two and three columns, and columns that do nothing."""
    return np.asarray(
        rows[:, 0]
        + 2.0 * rows[:, 1] * rows[:, 2]
        - rows[:, 3] * (rows[:, 4] > 0) * rows[:, 5]
        + np.sin(rows[:, 6] * rows[:, 7])
    )


def question(n_columns: int = 12, predict: Callable = bumpy, **parts: object) -> sampling.Question:
    def padded(rows: np.ndarray) -> np.ndarray:
        return predict(np.pad(rows, ((0, 0), (0, 12 - n_columns))))

    return sampling.Question(
        predict=padded,
        background=BACKGROUND[:, :n_columns],
        feature_names=[f"f{at}" for at in range(n_columns)],
        **parts,
    )


def by_definition(asked: sampling.Question, row: np.ndarray) -> np.ndarray:
    """Shapley values as the mean over all orders of joining."""
    n_columns = len(row)

    def worth(coalition: frozenset[int]) -> float:
        mixed = asked.background.copy()
        mixed[:, list(coalition)] = row[list(coalition)]
        return float(np.mean(asked.predict(mixed)))

    values = np.zeros(n_columns)
    for order in itertools.permutations(range(n_columns)):
        joined: frozenset[int] = frozenset()
        for player in order:
            values[player] += worth(joined | {player}) - worth(joined)
            joined |= {player}
    return values / math.factorial(n_columns)


@pytest.mark.slow
@pytest.mark.parametrize("explain", [sampling.kernel_shap, sampling.permutation_shap])
def test_few_players_are_explained_by_the_definition(explain: Callable) -> None:
    asked = question(5)
    found = explain(asked, ROWS[:1, :5])
    assert found.method == "exact"
    assert found.explanation.values[0] == pytest.approx(by_definition(asked, ROWS[0, :5]), abs=1e-12)
    assert not found.errors.any()


def test_least_squares_over_all_coalitions_is_the_definition() -> None:
    asked = question(7)
    coalitions = games.all_coalitions(7)[1:-1]
    sizes = coalitions.sum(axis=1)
    weights = np.array([1.0 / (math.comb(7, size) * size * (7 - size)) for size in sizes])
    drawn = sampling.Draws(coalitions=coalitions, weights=weights, n_certain=len(coalitions))
    game = games.Game(
        predict=asked.predict, row=ROWS[0, :7], background=asked.background, members=np.eye(7, dtype=bool)
    )
    values, errors = sampling.least_squares(game, drawn)
    assert values == pytest.approx(games.exact(game), abs=1e-10)
    assert not errors.any()


@pytest.mark.slow
@pytest.mark.parametrize("explain", [sampling.kernel_shap, sampling.permutation_shap])
def test_sampled_values_add_up_and_lie_within_their_errors(explain: Callable) -> None:
    asked = question()
    exact = sampling.kernel_shap(asked, ROWS, n_samples=5000).explanation
    few = {"n_samples": 300} if explain is sampling.kernel_shap else {"n_permutations": 16}
    misses = []
    for seed in range(12):
        found = explain(asked, ROWS, seed=seed, **few)
        sums = found.explanation.values.sum(axis=1) + found.explanation.base_values
        assert sums == pytest.approx(bumpy(ROWS), abs=1e-9)
        distance = np.abs(found.explanation.values - exact.values)
        misses.append(distance > 3.0 * found.errors + 1e-9)
        assert found.errors.max() > 0
    assert np.mean(misses) < 0.05


@pytest.mark.slow
def test_errors_are_the_spread_over_seeds() -> None:
    asked = question()
    runs = [sampling.kernel_shap(asked, ROWS[:1], n_samples=300, seed=seed) for seed in range(40)]
    spread = np.std([run.explanation.values[0] for run in runs], axis=0)
    told = np.mean([run.errors[0] for run in runs], axis=0)
    assert told == pytest.approx(spread, rel=0.6, abs=1e-3)


def test_a_seed_settles_the_result_and_other_rows_do_not_change_it() -> None:
    asked = question()
    one = sampling.kernel_shap(asked, ROWS, n_samples=100, seed=3)
    again = sampling.kernel_shap(asked, ROWS[1:], n_samples=100, seed=3)
    assert np.array_equal(one.explanation.values[1:], again.explanation.values)
    assert not np.array_equal(
        one.explanation.values, sampling.kernel_shap(asked, ROWS, n_samples=100, seed=4).explanation.values
    )


@pytest.mark.slow
def test_the_shap_package_finds_the_same() -> None:
    asked = question(8)
    theirs = shap.KernelExplainer(asked.predict, asked.background).shap_values(ROWS[:, :8], silent=True)
    ours = sampling.kernel_shap(asked, ROWS[:, :8]).explanation
    assert ours.values == pytest.approx(theirs, abs=1e-8)


@pytest.mark.slow
def test_with_a_small_budget_we_are_no_farther_from_the_truth_than_the_shap_package() -> None:
    asked = question()
    exact = sampling.kernel_shap(asked, ROWS, n_samples=5000).explanation.values
    ours, theirs = [], []
    for seed in range(8):
        np.random.seed(seed)
        theirs.append(
            shap.KernelExplainer(asked.predict, asked.background).shap_values(
                ROWS, nsamples=300, l1_reg=False, silent=True
            )
        )
        ours.append(sampling.kernel_shap(asked, ROWS, n_samples=300, seed=seed).explanation.values)
    assert np.mean(np.square(np.array(ours) - exact)) <= 1.2 * np.mean(np.square(np.array(theirs) - exact))


def test_groups_play_as_one() -> None:
    asked = question(groups={"pair": ["f1", "f2"], "rest": [f"f{at}" for at in range(3, 12)]})
    found = sampling.kernel_shap(asked, ROWS).explanation
    assert found.feature_names == ("f0", "pair", "rest")
    assert found.data[0].tolist() == [ROWS[0, 0], None, None]
    assert found.values.sum(axis=1) + found.base_values == pytest.approx(bumpy(ROWS))


def test_probabilities_can_be_explained_in_log_odds() -> None:
    def logistic(rows: np.ndarray) -> np.ndarray:
        return 1.0 / (1.0 + np.exp(-(rows[:, 0] - 2.0 * rows[:, 1])))

    asked = question(3, predict=logistic, space="log-odds")
    found = sampling.kernel_shap(asked, ROWS[:, :3]).explanation
    centred = ROWS[:, :2] - BACKGROUND[:, :2].mean(axis=0)
    assert found.values[:, :2] == pytest.approx(centred * [1.0, -2.0])
    assert found.row(0).prediction == pytest.approx(logistic(ROWS)[0])


def test_every_output_is_explained() -> None:
    asked = question(4, predict=lambda rows: np.stack([rows[:, 0], -rows[:, 0], rows[:, 1]], axis=1))
    found = sampling.kernel_shap(asked, ROWS[:, :4]).explanation
    assert found.values.shape == (2, 4, 3)
    assert found.values[:, 0, 0] == pytest.approx(-found.values[:, 0, 1])


@settings(max_examples=40)
@given(st.integers(2, 30), st.integers(0, 400), st.integers(0, 5))
def test_the_weights_of_the_draws_are_the_shapley_kernels(n_players: int, more: int, seed: int) -> None:
    drawn = sampling.draws(n_players, 2 * n_players + more, np.random.default_rng(seed))
    sizes = drawn.coalitions.sum(axis=1)
    assert ((sizes > 0) & (sizes < n_players)).all()
    assert len(sizes) <= 2 * n_players + more
    paired = drawn.coalitions[drawn.n_certain :]
    assert (paired[::2] == ~paired[1::2]).all()
    certain = drawn.coalitions[: drawn.n_certain]
    assert len(np.unique(certain, axis=0)) == len(certain)
    if len(paired):
        assert drawn.weights.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("answer", [np.nan, np.inf])
def test_what_is_not_a_number_is_refused(answer: float) -> None:
    with pytest.raises(games.BadPredictions, match="row 0"):
        sampling.kernel_shap(question(2, predict=lambda rows: np.full(len(rows), answer)), ROWS[:, :2])


def test_an_answer_of_the_wrong_shape_is_refused() -> None:
    with pytest.raises(games.BadPredictions, match="shape"):
        sampling.kernel_shap(question(2, predict=lambda rows: np.zeros(3)), ROWS[:, :2])


def test_interactions_are_half_on_either_side_and_sum_to_the_values() -> None:
    asked = question(5)
    game = games.Game(
        predict=asked.predict, row=ROWS[0, :5], background=asked.background, members=np.eye(5, dtype=bool)
    )
    matrix = games.exact_interactions(game)[..., 0]
    assert matrix == pytest.approx(matrix.T)
    assert matrix.sum(axis=1) == pytest.approx(games.exact(game)[:, 0])
    assert matrix[0, 1:] == pytest.approx(np.zeros(4))
    assert abs(matrix[1, 2]) > 0.01
