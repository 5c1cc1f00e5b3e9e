"""Recourse is nearest, allowed, true to the model, and "there is none" is a proof."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from glasskit import recourse, trees
from tests.library import tree_games

NAMES = tuple(f"f{index}" for index in range(tree_games.N_FEATURES))
GRID = [-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0]


@st.composite
def ensembles(draw: st.DrawFn, *, link: str = "identity", float32: bool = False) -> trees.Ensemble:
    """Small ensembles with numeric tests on every feature but the last, which may be a category."""
    grown = draw(st.lists(tree_games.random_trees(deepest=3), min_size=1, max_size=5))
    kept = tuple(tree for tree in grown if _is_numeric_but_last(tree))
    assume(kept)
    return trees.Ensemble(trees=kept, feature_names=NAMES, link=trees.Link(name=link), float32_inputs=float32)


def _is_numeric_but_last(tree: trees.Tree) -> bool:
    in_set = ~tree.is_leaf & (tree.test >= trees.Test.IN_SET)
    return bool((tree.feature[in_set] == tree_games.N_FEATURES - 1).all())


@st.composite
def numbers(draw: st.DrawFn, column: str) -> recourse.Number:
    low = draw(st.sampled_from([-2.0, -1.0, -math.inf]))
    return recourse.Number(
        column=column,
        low=max(low, -2.0),
        high=draw(st.sampled_from([0.5, 1.0, 2.0])),
        step=0.5,
        direction=draw(st.sampled_from(["any", "up", "down"])),
        cost_per_unit=draw(st.sampled_from([0.5, 1.0, 3.0])),
        fixed_cost=draw(st.sampled_from([0.0, 1.0])),
    )


CHOICE = recourse.Choice(
    name="kind",
    options={"a": {"f3": 0.0}, "b": {"f3": 3.0}, "c": {"f3": 40.0}},
    costs={"b": 2.0},
)


def same(one: float, other: float) -> bool:
    """Whether two values are equal, or both missing."""
    return one == other or (math.isnan(one) and math.isnan(other))


def moves_of(lever: recourse.Lever, row: Mapping[str, float]) -> list[tuple[float, dict[str, float]]]:
    """Every allowed move of a lever with its cost, straight from what the lever says."""
    found: list[tuple[float, dict[str, float]]] = [(0.0, {})]
    if isinstance(lever, recourse.Choice):
        return found + [(lever.cost(name), dict(values)) for name, values in lever.options.items()]
    old = row[lever.column]
    for new in GRID:
        right_way = {"any": True, "up": new > old, "down": new < old}[lever.direction]
        if lever.low <= new <= lever.high and new != old and right_way:
            along = {column: row[column] + ratio * (new - old) for column, ratio in lever.moves.items()}
            found.append((lever.cost(old, new), {lever.column: new, **along}))
    return found


def nearest_by_hand(
    explainer: trees.Explainer,
    row: np.ndarray,
    levers: Sequence[recourse.Lever],
    limit: float,
    most: int = 99,
) -> float:
    """The lowest cost of all allowed assignments that reach the goal; infinite if none does."""
    named = dict(zip(NAMES, row.tolist(), strict=True))
    rows, costs = [], []
    for combination in itertools.product(*(moves_of(lever, named) for lever in levers)):
        if sum(bool(changes) for _, changes in combination) <= most:
            changed = named | {name: new for _, changes in combination for name, new in changes.items()}
            rows.append([changed[name] for name in NAMES])
            costs.append(sum(cost for cost, _ in combination))
    reached = explainer.predict(np.array(rows)) <= limit
    return float(np.min(np.array(costs)[reached], initial=math.inf))


def check(
    explainer: trees.Explainer,
    row: np.ndarray,
    levers: Sequence[recourse.Lever],
    limit: float,
    most: int | None = None,
) -> recourse.Recourse:
    """The search agrees with trying everything, and its options are what they say."""
    result = recourse.find(explainer, row, levers, at_most=limit, most_changes=most)
    by_hand = nearest_by_hand(explainer, row, levers, limit, 99 if most is None else most)
    assert result.status == ("none_exists" if math.isinf(by_hand) else "optimal")
    if result.options:
        assert result.options[0].cost == pytest.approx(by_hand, abs=1e-9)
    changed_sets = []
    named = dict(zip(NAMES, row.tolist(), strict=True))
    for option in result.options:
        assert option.prediction == explainer.predict(option.row[np.newaxis])[0] <= limit
        touched = {NAMES[at] for at in np.flatnonzero(option.row != row) if not math.isnan(row[at])}
        assert touched == {name for name, (old, _) in option.columns.items() if not math.isnan(old)}
        cost = 0.0
        for lever in levers:
            if lever.name in option.changes:
                allowed = [
                    cost
                    for cost, changes in moves_of(lever, named)
                    if changes
                    and all(same(option.columns.get(k, (0, named[k]))[1], v) for k, v in changes.items())
                ]
                assert allowed, "a move that the lever does not allow"
                cost += min(allowed)
            else:
                assert not touched & set(lever.columns)
        assert touched <= {column for lever in levers for column in lever.columns}
        assert cost == pytest.approx(option.cost)
        changed_sets.append(set(option.changes))
    for one, other in itertools.combinations(changed_sets, 2):
        assert not one <= other
    return result


rows = st.lists(st.sampled_from([-1.0, 0.0, 0.5, 1.0, 2.0, math.nan]), min_size=4, max_size=4)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(st.data(), ensembles(), rows, st.floats(-8, 8))
def test_the_nearest_change_is_what_trying_everything_finds(
    data: st.DataObject, ensemble: trees.Ensemble, given_row: list[float], limit: float
) -> None:
    row = np.array(given_row)
    used = data.draw(st.sets(st.sampled_from(NAMES[:3])))
    levers = [data.draw(numbers(name)) for name in sorted(used) if not math.isnan(row[NAMES.index(name)])]
    most = data.draw(st.sampled_from([None, 1, 2]))
    check(trees.Explainer(ensemble), row, [*levers, CHOICE], limit, most)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(ensembles(link="logistic", float32=True), rows, st.floats(0, 1), st.sampled_from([-2.0, 0.5, 1.0]))
def test_columns_that_move_along_are_followed_exactly(
    ensemble: trees.Ensemble, given_row: list[float], limit: float, ratio: float
) -> None:
    row = np.array(given_row)
    assume(not math.isnan(row[0]))
    lever = recourse.Number(column="f0", low=-2.0, high=2.0, step=0.5, moves={"f1": ratio, "f2": 1.0})
    check(trees.Explainer(ensemble), row, [lever, CHOICE], limit)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(ensembles(), rows, st.floats(-8, 8))
def test_without_steps_no_value_at_all_is_nearer(
    ensemble: trees.Ensemble, given_row: list[float], limit: float
) -> None:
    row, explainer = np.array(given_row), trees.Explainer(ensemble)
    assume(not math.isnan(row[0]))
    result = recourse.find(explainer, row, [recourse.Number(column="f0", low=-5, high=5)], at_most=limit)
    tried = np.unique(np.concatenate([np.linspace(-5, 5, 801), tree_games.THRESHOLDS, [row[0]]]))
    tried = tried[(tried >= -5) & (tried <= 5)]
    tried = np.concatenate([tried, np.nextafter(tried, 5), np.nextafter(tried, -5), [1e-36, 1e-34, -1e-34]])
    around = np.tile(row, (len(tried), 1))
    around[:, 0] = tried
    reached = explainer.predict(around) <= limit
    if result.status == "none_exists":
        assert not reached.any()
    else:
        assert result.options[0].cost <= np.abs(tried[reached] - row[0]).min(initial=math.inf) + 1e-12


def stump(threshold: float = 2000.0, *, feature: int = 0, low: float = -1.0, high: float = 1.0) -> trees.Tree:
    return trees.Tree(
        feature=[feature, -1, -1],
        test=[0, 0, 0],
        threshold=[threshold, 0, 0],
        missing=[2, 0, 0],
        default_left=[False, False, False],
        left=[1, -1, -1],
        right=[2, -1, -1],
        value=[0.0, low, high],
        cover=[2.0, 1.0, 1.0],
    )


def model(*grown: trees.Tree, names: tuple[str, ...] = ("amount", "months")) -> trees.Ensemble:
    return trees.Ensemble(trees=grown, feature_names=names, link=trees.Link(name="logistic"))


AMOUNT = recourse.Number(column="amount", low=500.0, high=20_000.0, step=100.0, cost_per_unit=0.001)
MONTHS = recourse.Number(column="months", low=6.0, high=48.0, step=1.0, direction="down", cost_per_unit=0.1)


def test_bounds_may_be_whole_numbers_and_the_threshold_itself_is_the_nearest_value() -> None:
    amount = recourse.Number(column="amount", low=-10_000, high=10_000)
    nearest = recourse.find(model(stump(2000.0)), [5000, 36], [amount], at_most=0.5).options[0]
    assert nearest.row[0] == 2000.0
    above = recourse.find(model(stump(2000.0)), [-500, 36], [amount], at_least=0.6).options[0]
    assert above.row[0] == np.nextafter(2000.0, 3000.0)


def test_options_are_of_different_kinds_and_ranked() -> None:
    two_ways = model(stump(2000.0), stump(24.0, feature=1))
    result = recourse.find(two_ways, [5000.0, 36.0], [AMOUNT, MONTHS], at_most=0.5)
    assert [set(option.changes) for option in result.options] == [{"months"}, {"amount"}]
    assert [option.cost for option in result.options] == pytest.approx([1.2, 3.0])
    assert result.has_all
    assert result.options[1].sentence() == "amount: 2,000 instead of 5,000."


def test_what_no_lever_names_never_changes() -> None:
    result = recourse.find(model(stump(24.0, feature=1)), [5000.0, 36.0], [AMOUNT], at_most=0.5)
    assert (result.status, result.options) == ("none_exists", ())
    assert result.best_possible == result.prediction
    assert "proved" in result.sentence()


def test_one_way_fields_go_one_way() -> None:
    result = recourse.find(model(stump(24.0, feature=1)), [5000.0, 12.0], [MONTHS], at_least=0.6)
    assert result.status == "none_exists"


def test_a_favourable_case_needs_no_change() -> None:
    result = recourse.find(model(stump(2000.0)), [1000.0, 36.0], [AMOUNT], at_most=0.5)
    assert (result.status, len(result.options), result.options[0].changes) == ("optimal", 1, {})


def test_a_missing_value_stays_missing_unless_it_may_be_given() -> None:
    row = [math.nan, 36.0]
    assert recourse.find(model(stump()), row, [AMOUNT], at_most=0.5).status == "none_exists"
    free = recourse.Number(column="amount", low=500.0, high=9000.0, step=100.0, missing_cost=4.0)
    result = recourse.find(model(stump()), row, [free], at_most=0.5)
    assert result.options[0].cost == 4.0
    assert 500.0 <= result.options[0].row[0] <= 2000.0


def test_one_hot_fields_change_as_one() -> None:
    names = ("purpose__car", "purpose__home", "purpose__other")
    hot = recourse.Choice.one_hot("purpose", names, options=["car", "home"])
    asked = model(stump(0.5, feature=0, low=1.0, high=-1.0), names=names)
    result = recourse.find(asked, [0.0, 0.0, 1.0], [hot], at_most=0.5)
    assert result.options[0].row.tolist() == [1.0, 0.0, 0.0]
    assert result.options[0].changes == {"purpose": (None, "car")}


def test_the_order_of_options_is_kept_by_one_way_choices() -> None:
    degree = recourse.Choice(
        name="degree",
        options={name: {"months": float(at)} for at, name in enumerate(("none", "bachelor", "master"))},
        direction="up",
    )
    lower = model(stump(0.5, feature=1))
    assert recourse.find(lower, [0.0, 2.0], [degree], at_most=0.5).status == "none_exists"
    higher = model(stump(0.5, feature=1, low=1.0, high=-1.0))
    assert recourse.find(higher, [0.0, 0.0], [degree], at_most=0.5).options[0].changes == {
        "degree": ("none", "bachelor")
    }


def test_no_time_is_said_not_hidden() -> None:
    hard = model(stump(2000.0), stump(24.0, feature=1))
    ticks = itertools.count()
    late = recourse.find(
        hard,
        [5000.0, 36.0],
        [AMOUNT, MONTHS],
        at_most=0.2,
        time_limit_s=0.0,
        clock=lambda: float(next(ticks)),
    )
    assert late.status in ("feasible", "optimal")
    assert late.options[0].prediction <= 0.2
    unfound = recourse.find(hard, [5000.0, 36.0], [AMOUNT, MONTHS], at_most=0.2, most_boxes=0)
    assert unfound.status in ("feasible", "timed_out", "optimal")


@pytest.mark.parametrize(
    "wrong",
    [
        [recourse.Number(column="zodiac")],
        [AMOUNT, recourse.Number(column="months", moves={"amount": 1.0})],
        [recourse.Choice(name="x", options={"a": {"zodiac": 1.0}})],
    ],
)
def test_levers_that_contradict_the_model_or_each_other_are_refused(wrong: list[recourse.Lever]) -> None:
    with pytest.raises(recourse.LeverInvalid):
        recourse.find(model(stump()), [1.0, 1.0], wrong, at_most=0.5)


@pytest.mark.parametrize(
    "parts",
    [
        {"low": 2.0, "high": 1.0},
        {"step": 0.0},
        {"cost_per_unit": 0.0},
        {"cost_per_unit": -1.0},
        {"direction": "sideways"},
        {"moves": {"amount": 1.0}},
    ],
)
def test_levers_that_contradict_themselves_are_refused(parts: dict[str, object]) -> None:
    with pytest.raises(recourse.LeverInvalid, match="'amount'"):
        recourse.Number(column="amount", **parts)


def test_a_category_is_not_a_number() -> None:
    tree = tree_games.tree_of_two_categories()
    with pytest.raises(recourse.LeverInvalid, match="category"):
        recourse.find(model(tree), [2.0, 1.0], [AMOUNT], at_most=0.5)
    kind = recourse.Choice(name="kind", options={"b": {"amount": 1.0}, "c": {"amount": 2.0}})
    assert recourse.find(model(tree), [2.0, 1.0], [kind], at_most=0.5).options[0].changes == {
        "kind": ("c", "b")
    }


@pytest.mark.parametrize(
    ("limit", "side", "status"),
    [(1.0, "at_most", "optimal"), (0.0, "at_most", "none_exists"), (1.0, "at_least", "none_exists")],
)
def test_goals_at_the_ends_of_what_can_be_predicted(limit: float, side: str, status: str) -> None:
    assert recourse.find(model(stump()), [5000.0, 36.0], [AMOUNT], **{side: limit}).status == status


def of_kinds(**known: Any) -> trees.Ensemble:
    """Predicts 1 for the kinds b and c, else 0, and 2 more from 24 months on."""
    tests = [trees.Test.IN_SET, trees.Test.LESS]
    grown = [
        trees.Tree(
            feature=[at, -1, -1],
            test=[tests[at], 0, 0],
            threshold=[24.0 * at, 0, 0],
            missing=[2, 0, 0],
            default_left=[False] * 3,
            left=[1, -1, -1],
            right=[2, -1, -1],
            value=[0.0, low, high],
            cover=[2.0, 1.0, 1.0],
            categories={0: frozenset({1, 2})} if at == 0 else {},
        )
        for at, (low, high) in enumerate([(1.0, 0.0), (0.0, 2.0)])
    ]
    return trees.Ensemble(trees=tuple(grown), feature_names=("kind", "months"), **known)


def test_a_category_may_be_given_by_its_text() -> None:
    months = recourse.Number(column="months", low=0, high=60, step=1)
    known = of_kinds(levels={0: ("a", "b", "c")})
    for row in ({"kind": "b", "months": 36}, ["b", 36]):
        found = recourse.find(known, row, [months], at_most=1.0)
        assert found.prediction == 3.0
        assert [option.row.tolist() for option in found.options] == [[1.0, 23.0]]


def test_texts_that_a_model_knows_by_hashes_alone_are_refused_by_the_columns_name() -> None:
    months = recourse.Number(column="months", low=0, high=60, step=1)
    hashed = of_kinds(text_hashes={0: (3052168893,)})
    with pytest.raises(trees.BadInput, match=r"Column 'kind' holds 'red': .* by their hashes alone"):
        recourse.find(hashed, {"kind": "red", "months": 36}, [months], at_most=1.0)
    assert recourse.find(hashed, {"kind": 1, "months": 36}, [months], at_most=1.0).prediction == 3.0
