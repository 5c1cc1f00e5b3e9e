"""Decisions in words: right numbers, right direction, no word without a fact."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasskit import explain
from glasskit.explain import words


def why(values: list[float], **parts: object) -> explain.Attribution:
    names = [f"field__{letter}" for letter in "abcdefgh"[: len(values)]]
    return explain.Attribution(names=names, values=values, base_value=0.0, **parts)


def test_reasons_are_ordered_by_strength_and_split_by_direction() -> None:
    sentence = words.decision(why([0.1, -0.2, 3.0, -4.0, 0.5]), max_reasons=2)
    assert "raised it most: field › c (odds × 20.09), field › e (odds × 1.65)." in sentence
    assert "lowered it most: field › d (odds × 0.02), field › b (odds × 0.82)." in sentence


def test_the_threshold_is_answered() -> None:
    assert "above the threshold of 50.0 %" in words.decision(why([1.0]), threshold=0.5)
    assert "not above the threshold of 50.0 %" in words.decision(why([-1.0]), threshold=0.5)


def test_a_prediction_at_the_baseline_says_that_nothing_moved_it() -> None:
    assert words.decision(why([0.0, 0.0])).endswith("Nothing in the data moved it away from the baseline.")


def test_labels_replace_names() -> None:
    assert "Checking account is no account" in words.decision(
        why([1.0], labels={"field__a": "Checking account"}, data=["no_account"])
    )


def test_a_counterfactual_says_what_would_change() -> None:
    sentence = words.counterfactual(
        why([1.0]), why([-1.0]), changes={"field__a": ("negative", "no_account")}, outcome="default"
    )
    assert sentence == (
        "If field › a were no account instead of negative, the risk of default would fall from 73.1 % to 26.9 %."
    )


def test_a_regression_speaks_of_values() -> None:
    sentence = words.decision(why([2.0, -1.0], link="identity"), outcome="price")
    assert sentence.startswith("The model puts the price at 1 (baseline 0).")
    assert "field › a (+2)" in sentence
    assert "field › b (−1)" in sentence


@given(st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_no_uncertain_prediction_is_called_certain(share: float) -> None:
    text = words.percent(share)
    assert text not in ("0.0 %", "0 %", "100 %", "100.0 %") or share in (0.0, 1.0)


@given(st.lists(st.floats(-50, 50), min_size=1, max_size=8))
def test_the_number_in_the_words_is_the_prediction(values: list[float]) -> None:
    attribution = why(values)
    assert words.percent(attribution.prediction) in words.decision(attribution)


@pytest.mark.parametrize(
    ("given_value", "text"),
    [
        (None, "missing"),
        (math.nan, "missing"),
        (math.inf, "∞"),
        (-3.5, "−3.5"),
        (0, "0"),
        (12_345.0, "12,345"),
        ("a_b", "a b"),
    ],
)
def test_values_are_written_for_readers(given_value: object, text: str) -> None:
    assert words.value(given_value) == text
