"""Files of constraints mean what they say, and misspelt ones are refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glasskit import recourse, trees
from glasskit.recourse import constraints
from tests.library import test_recourse

NAMES = ("amount", "months", "degree", "age", "account__low", "account__high")
EVERYTHING = """
format = 1
most_changes = 2
immutable = ["age"]

[numbers.amount]
low = 500
high = 15000
step = 100
direction = "down"
cost_per_unit = 0.001
fixed_cost = 0.5
missing_cost = 4
moves = { months = 0.01 }

[one_hot.account]
options = ["high"]
costs = { high = 3 }

[choices.degree]
direction = "up"
costs = { master = 2.5 }
options = { none = { degree = 0 }, master = { degree = 2 } }
"""


def test_a_file_holds_everything_that_levers_can_say() -> None:
    read = constraints.parse(EVERYTHING, NAMES)
    assert read.most_changes == 2
    assert read.immutable == ("age",)
    assert read.levers == (
        recourse.Number(
            column="amount",
            low=500,
            high=15000,
            step=100,
            direction="down",
            cost_per_unit=0.001,
            fixed_cost=0.5,
            missing_cost=4,
            moves={"months": 0.01},
        ),
        recourse.Choice.one_hot("account", NAMES, options=["high"], costs={"high": 3}),
        recourse.Choice(
            name="degree",
            options={"none": {"degree": 0}, "master": {"degree": 2}},
            costs={"master": 2.5},
            direction="up",
        ),
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", None),
        ("format = 2", "format is not 1"),
        ("speed = 1", "speed is not one of"),
        ("format = ", "text is not TOML"),
        ("[numbers.amount]\nhigh = 'much'", "numbers.amount.high is not a number"),
        ("[numbers.amount]\nlowest = 1", "numbers.amount.lowest is not one of"),
        ("[numbers.amount]\ndirection = 'sideways'", "numbers.amount.direction is 'sideways'"),
        ("[numbers.amount]\nlow = 2\nhigh = 1", "has the empty range 2.0 to 1.0"),
        ("[numbers.zodiac]", "'zodiac', which is no column of the model"),
        ("[numbers.amount]\nmoves = { amount = 1 }", "moves"),
        ("[numbers.months]\n[numbers.amount]\nmoves = { months = 1 }", "and so does 'months'"),
        ("immutable = ['zodiac']", "immutable names 'zodiac', which is no column"),
        ("immutable = ['account']\n[one_hot.account]", "immutable names 'account', which the entry"),
        ("immutable = ['months']\n[numbers.amount]\nmoves = { months = 1 }", "immutable names 'months'"),
        ("[one_hot.purpose]", "one_hot.purpose is no field"),
        ("[one_hot.account]\noptions = ['medium']", "'medium', which has no column"),
        ("[choices.degree]", "choices.degree.options is missing"),
        ("most_changes = 1.5", "most_changes is not a whole number"),
    ],
)
def test_what_contradicts_itself_or_the_model_is_refused(text: str, problem: str | None) -> None:
    if problem is None:
        assert constraints.parse(text, NAMES).levers == ()
        return
    with pytest.raises(ValueError, match=problem):
        constraints.parse(text, NAMES)


@pytest.mark.slow
@settings(max_examples=30)
@given(
    test_recourse.ensembles(),
    st.lists(test_recourse.rows, min_size=2, max_size=6),
    st.sets(st.sampled_from(test_recourse.NAMES[:3])),
    st.floats(-8, 8),
)
def test_observed_constraints_are_never_broken(
    ensemble: trees.Ensemble, given_rows: list[list[float]], immutable: set[str], limit: float
) -> None:
    rows = np.array(given_rows)
    allowed = constraints.observed(ensemble, rows, rows[0], immutable=sorted(immutable))
    found = recourse.find(ensemble, rows[0], allowed.levers, at_most=limit)
    for option in found.options:
        assert option.prediction <= limit
        for at, name in enumerate(test_recourse.NAMES):
            new, known = option.row[at], rows[:, at][np.isfinite(rows[:, at])]
            if name in immutable or np.isnan(rows[0, at]):
                assert np.array_equal(new, rows[0, at], equal_nan=True)
            else:
                assert known.min() <= new <= known.max()


def test_one_hot_fields_and_common_steps_are_seen_in_the_rows() -> None:
    rows = np.array(
        [[500.0, 6.5, 0, 30, 1, 0], [1500.0, 7.25, 1, 30, 0, 1], [2000.0, 9.0, 2, 30, 0, 0]], dtype=np.float64
    )
    stump = test_recourse.stump(1000.0)
    ensemble = trees.Ensemble(trees=(stump,), feature_names=NAMES)
    found = {lever.name: lever for lever in constraints.observed(ensemble, rows, rows[0]).levers}
    assert set(found) == {"account", "amount", "months", "degree"}
    amount, months = found["amount"], found["months"]
    assert isinstance(amount, recourse.Number)
    assert isinstance(months, recourse.Number)
    assert (amount.step, amount.low, amount.high) == (500.0, 500.0, 2000.0)
    assert months.step is None
    with pytest.raises(constraints.ConstraintsInvalid, match="zodiac"):
        constraints.observed(ensemble, rows, rows[0], immutable=["zodiac"])


def test_categories_may_be_given_by_their_names() -> None:
    text = "[choices.home]\noptions = { own = { degree = 'own' }, rent = { degree = 'rent' } }"
    read = constraints.parse(text, NAMES, levels={"degree": ("free", "own", "rent")})
    options = {"own": {"degree": 1.0}, "rent": {"degree": 2.0}}
    assert read.levers == (recourse.Choice(name="home", options=options),)
    with pytest.raises(constraints.ConstraintsInvalid, match="degree is 'own', not one of free, rent"):
        constraints.parse(text, NAMES, levels={"degree": ("free", "rent")})
    with pytest.raises(constraints.ConstraintsInvalid, match="degree is not a number"):
        constraints.parse(text, NAMES)
