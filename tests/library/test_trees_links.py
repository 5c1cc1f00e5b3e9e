"""Link functions: within a unit in the last place of the truth, and the same bits with and without the kernel."""

from __future__ import annotations

import decimal
import math
from collections.abc import Callable

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glasskit import exponentials, trees
from glasskit.trees import kernel, links

many = settings(max_examples=300, deadline=None)
EXACTLY = decimal.Context(prec=60, Emin=-(10**6), Emax=10**6)
UNITS, UNITS_OF_LOG, UNITS_OF_SUBNORMALS = 0.6, 0.75, 1.0
anything = (
    st.floats(-760, 720) | st.floats(-3, 3) | st.floats(-1e-6, 1e-6) | st.sampled_from([-745.13, 709.78, 0.0])
)


def units_off(value: float, truth: decimal.Decimal) -> float:
    """The distance to the truth in units of the last place of the number nearest to it."""
    nearest = float(truth)
    unit = decimal.Decimal(math.ulp(nearest))
    return (
        float(abs(EXACTLY.subtract(decimal.Decimal(value), truth)) / unit) if math.isfinite(nearest) else 0.0
    )


def true_exp(x: float) -> decimal.Decimal:
    return EXACTLY.exp(decimal.Decimal(x))


def true_logistic(x: float) -> decimal.Decimal:
    return EXACTLY.divide(1, EXACTLY.add(1, true_exp(-x)))


def true_log1p_exp(x: float) -> decimal.Decimal:
    small = true_exp(x)
    series = EXACTLY.subtract(small, EXACTLY.multiply(small, small) / 2)
    return series if x < -70 else EXACTLY.ln(EXACTLY.add(1, small))


@pytest.mark.parametrize(
    ("name", "truth", "most"),
    [
        ("exp", true_exp, UNITS),
        ("logistic", true_logistic, UNITS),
        ("log1p_exp", true_log1p_exp, UNITS_OF_LOG),
    ],
)
@many
@given(x=anything)
def test_a_function_is_as_near_to_the_truth_as_it_promises(
    name: links.LinkName, truth: Callable[[float], decimal.Decimal], most: float, x: float
) -> None:
    value = float(links.Link(name=name).apply(np.array([x]))[0])
    expected = truth(x)
    off = units_off(value, expected)
    assert off <= (UNITS_OF_SUBNORMALS if expected < decimal.Decimal("2.3e-308") else most), off
    assert math.isfinite(float(expected)) == math.isfinite(value)


@many
@given(margins=st.lists(st.floats(-400, 400) | st.floats(-2, 2), min_size=1, max_size=6))
def test_shares_of_classes_are_as_near_to_the_truth_as_promised(margins: list[float]) -> None:
    shares = links.Link(name="softmax").apply(np.array([margins]))[0]
    powers = [true_exp(margin) for margin in margins]
    total = sum(powers, decimal.Decimal(0))
    for share, power in zip(shares.tolist(), powers, strict=True):
        expected = EXACTLY.divide(power, total)
        assert units_off(share, expected) <= (1.0 if expected < decimal.Decimal("2.3e-308") else UNITS)


@pytest.mark.skipif(kernel.load() is None, reason="no kernel was built on this machine")
@pytest.mark.parametrize("name", ["exp", "logistic", "log1p_exp", "softmax"])
def test_the_kernel_and_numpy_give_the_same_bits(name: links.LinkName) -> None:
    random = np.random.default_rng(0)
    drawn = [random.normal(size=4000), random.uniform(-760, 760, 6000), random.normal(size=2000) * 1e-9]
    margins = np.concatenate([*drawn, [0.0, -0.0, 5e-324, -5e-324, 709.8, -745.2, 1e308, -1e308]])
    if name == "softmax":
        margins = margins[: len(margins) // 7 * 7].reshape(-1, 7)
    else:
        margins = np.append(margins, [np.inf, -np.inf])
    fast = links.Link(name=name).apply(margins)
    slow = getattr(exponentials, name)(margins)
    assert np.array_equal(fast.view(np.int64), slow.view(np.int64))


def test_known_bits_never_change() -> None:
    margins = np.array([-20.0, -0.1, 0.3, 1.0, 37.0])
    assert [value.hex() for value in exponentials.exp(margins).tolist()] == [
        "0x1.1b48655f37267p-29",
        "0x1.cf46d99d52b3ap-1",
        "0x1.599058c8c1a96p+0",
        "0x1.5bf0a8b145769p+1",
        "0x1.4d13fbb1a001ap+53",
    ]
    assert trees.Link(name="logistic").apply(margins)[1].hex() == "0x1.e66bdb1aca090p-2"


def test_what_is_not_a_number_stays_so() -> None:
    for name in ("exp", "logistic", "log1p_exp"):
        assert np.isnan(links.Link(name=name).apply(np.array([np.nan, 1.0]))).tolist() == [True, False]
    assert links.Link(name="softmax").apply(np.empty((0, 3))).shape == (0, 3)


def test_margins_in_any_layout_are_read_alike() -> None:
    margins = np.random.default_rng(0).normal(size=(40, 3))
    link = links.Link(name="softmax")
    assert np.array_equal(link.apply(np.asfortranarray(margins)), link.apply(margins))
    assert np.array_equal(links.Link(name="logistic").apply(margins[::2, 1]), link_of_each(margins[::2, 1]))


def link_of_each(margins: np.ndarray) -> np.ndarray:
    return np.array([exponentials.of_one("logistic", margin) for margin in margins.tolist()])


@pytest.mark.slow
def test_probabilities_differ_from_lightgbms_own_by_a_few_units_at_most() -> None:
    random = np.random.default_rng(0)
    rows = random.normal(size=(3000, 4))
    labels = (rows[:, 0] * rows[:, 1] + random.normal(size=3000) > 0).astype(float)
    booster = lightgbm.train(
        {"objective": "binary", "verbose": -1, "num_threads": 1}, lightgbm.Dataset(rows, labels)
    )
    ours = trees.Explainer(trees.load(booster)).predict(rows)
    theirs = booster.predict(rows)
    assert np.abs((ours - theirs) / np.spacing(theirs)).max() <= 3
