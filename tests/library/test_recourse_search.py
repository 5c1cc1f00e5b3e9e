"""The search's bounds hold, and models of a realistic size are solved to the proof."""

from __future__ import annotations

import itertools

import lightgbm
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from glasskit import recourse, trees
from glasskit.recourse import boxes, candidates, tables
from tests.library import test_recourse


@pytest.mark.slow
@settings(max_examples=40)
@given(test_recourse.ensembles(), test_recourse.rows, st.data())
def test_a_bound_is_under_every_margin_of_its_box_and_is_the_margin_of_a_point(
    ensemble: trees.Ensemble, given_row: list[float], data: st.DataObject
) -> None:
    row = np.array(given_row)
    levers = [
        recourse.Number(column=name, low=-2.0, high=2.0, step=0.5, missing_cost=1.0)
        for name in test_recourse.NAMES[:3]
    ]
    moves = [candidates.of(lever, ensemble, row) for lever in [*levers, test_recourse.CHOICE]]
    constant, listed = tables.of(ensemble, row, moves, sign=1.0)
    space = boxes.of(constant, listed, moves)
    assume(space is not None)
    assert space is not None
    corners = [
        sorted(data.draw(st.lists(st.integers(0, len(one) - 1), min_size=2, max_size=2))) for one in moves
    ]
    low, high = np.array([[one for one, _ in corners]]), np.array([[other for _, other in corners]])
    points = np.array(list(itertools.product(*(range(one, other + 1) for one, other in corners))))
    choices = space.choices(points)
    rows = np.tile(row, (len(choices), 1))
    for at, choice in enumerate(choices):
        for one, chosen in zip(moves, choice, strict=True):
            if chosen:
                rows[at, one.columns] = one.values[chosen]
    margins = trees.Explainer(ensemble).predict_margin(rows)
    assert space.bound(low, high)[0][0] <= margins.min() + 1e-9
    assert space.bound(points, points)[0] == pytest.approx(margins, abs=1e-9)
    cheapest, cost = space.cheapest(low, high)
    by_hand = [sum(one.costs[at] for one, at in zip(moves, choice, strict=True)) for choice in choices]
    assert cost[0] == pytest.approx(min(by_hand))
    assert ((low <= cheapest) & (cheapest <= high)).all()


@pytest.mark.slow
def test_leaves_of_more_than_one_word_are_bounded_too() -> None:
    random = np.random.default_rng(0)
    values = random.normal(size=(700, 2))
    model = lightgbm.LGBMRegressor(
        n_estimators=2, num_leaves=200, min_child_samples=1, verbose=-1, n_jobs=1
    ).fit(values, random.normal(size=700))
    explainer = trees.Explainer(trees.load(model.booster_.model_to_string()))
    assert max(tree.n_nodes for tree in explainer.ensemble.trees) > 2 * 64
    levers = [recourse.Number(column=name, low=-3, high=3, step=0.05) for name in explainer.feature_names]
    goal = float(np.quantile(explainer.predict(values), 0.01))
    grid = np.arange(-60, 61) * 0.05
    rows = np.array(list(itertools.product(grid, grid)))
    costs = np.abs(rows).sum(axis=1)
    found = recourse.find(explainer, [0.0, 0.0], levers, at_most=goal)
    reached = explainer.predict(rows) <= goal
    assert found.status == "optimal"
    assert found.options[0].cost == pytest.approx(costs[reached].min())


@pytest.fixture(scope="module")
def credit() -> tuple[np.ndarray, trees.Explainer]:
    """A hundred trees of 31 leaves, on ten columns that act together in threes."""
    random = np.random.default_rng(5)
    rows = np.round(random.normal(size=(6000, 10)) * 20)
    risk = np.zeros(len(rows))
    for _ in range(6):
        a, b, c = random.choice(10, 3, replace=False)
        risk += np.sin(rows[:, a] / 12) * np.cos(rows[:, b] / 14) * random.normal() * 2
        risk += (rows[:, c] > 0) * (rows[:, a] < 5) * random.normal()
    labels = (risk > np.quantile(risk, 0.7)).astype(int)
    model = lightgbm.LGBMClassifier(n_estimators=100, num_leaves=31, verbose=-1, n_jobs=2).fit(rows, labels)
    return rows, trees.Explainer(trees.load(model.booster_.model_to_string()))


def levers(explainer: trees.Explainer, n: int) -> list[recourse.Number]:
    directions = itertools.cycle(("any", "down", "up", "any"))
    return [
        recourse.Number(column=name, low=-60, high=60, step=1, direction=direction, cost_per_unit=0.05)
        for name, direction in zip(explainer.feature_names[:n], directions, strict=False)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("limit", [0.5, 0.1])
def test_two_fields_of_a_large_model_are_solved_as_trying_everything_does(
    credit: tuple[np.ndarray, trees.Explainer], limit: float
) -> None:
    rows, explainer = credit
    predicted = explainer.predict(rows)
    row = rows[int(np.argsort(predicted)[-60])]
    asked = [
        recourse.Number(column=name, low=-60, high=60, step=1, cost_per_unit=0.05)
        for name in explainer.feature_names[:2]
    ]
    grid = np.array(list(itertools.product(range(-60, 61), range(-60, 61))), dtype=np.float64)
    tried = np.tile(row, (len(grid), 1))
    tried[:, :2] = grid
    costs = 0.05 * np.abs(grid - row[:2]).sum(axis=1)
    reached = explainer.predict(tried) <= limit
    found = recourse.find(explainer, row, asked, at_most=limit, count=1)
    if reached.any():
        assert found.status == "optimal"
        assert found.options[0].cost == pytest.approx(costs[reached].min())
    else:
        assert found.status == "none_exists"


@pytest.mark.slow
def test_eight_fields_of_a_large_model_are_solved_to_the_proof(
    credit: tuple[np.ndarray, trees.Explainer],
) -> None:
    rows, explainer = credit
    predicted = explainer.predict(rows)
    row = rows[int(np.argsort(predicted)[-60])]
    asked = levers(explainer, 8)
    found = recourse.find(explainer, row, asked, at_most=0.1, count=2, time_limit_s=120)
    assert found.status == "optimal"
    assert all(option.is_nearest for option in found.options)
    random = np.random.default_rng(1)
    tried = np.tile(row, (20_000, 1))
    for at, lever in enumerate(asked):
        low = row[at] if lever.direction == "up" else -60
        high = row[at] if lever.direction == "down" else 60
        moved = np.clip(row[at] + np.rint(random.normal(scale=6, size=len(tried))), low, high)
        tried[:, at] = np.where(random.random(len(tried)) < 0.4, moved, row[at])
    costs = 0.05 * np.abs(tried[:, :8] - row[:8]).sum(axis=1)
    reached = explainer.predict(tried) <= 0.1
    assert costs[reached].min(initial=np.inf) >= found.options[0].cost - 1e-9


@pytest.mark.slow
def test_what_cannot_be_reached_by_a_large_model_is_proved(
    credit: tuple[np.ndarray, trees.Explainer],
) -> None:
    rows, explainer = credit
    row = rows[int(np.argsort(explainer.predict(rows))[-60])]
    asked = levers(explainer, 8)
    best = recourse.find(explainer, row, asked, at_most=0.0, count=1).best_possible
    goal = 1.0 / (1.0 + (1.0 / best - 1.0) / np.e)  # the bound on the margin, and one unit more
    found = recourse.find(explainer, row, asked, at_most=goal, count=1, time_limit_s=120)
    assert (found.status, found.options) == ("none_exists", ())
    assert goal > best > 0
