"""Columns summed to fields and groups lose nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasskit import explain

NAMES = [
    "credit__amount",
    "credit__purpose__new_car",
    "credit__purpose__repairs",
    "residence__type__rent",
    "age",
]
FIELDS = ["credit__amount", "credit__purpose", "residence__type", "age"]


def attribution(values: list[float] | None = None, data: list[object] | None = None) -> explain.Attribution:
    return explain.Attribution(
        names=NAMES,
        values=values or [0.5, -0.25, 1.0, 0.125, -2.0],
        base_value=-1.0,
        data=data or [4100.0, 0.0, 1.0, 0.0, 23.0],
        descriptions={"credit__amount": "Amount asked for."},
    )


def explanation(n_rows: int = 3) -> explain.Explanation:
    random = np.random.default_rng(0)
    return explain.Explanation(
        values=random.normal(size=(n_rows, len(NAMES))),
        base_values=np.full(n_rows, -1.0),
        data=np.tile([4100.0, 0.0, 1.0, 0.0, 23.0], (n_rows, 1)),
        feature_names=NAMES,
    )


def test_one_hot_columns_sum_to_their_field_with_the_chosen_category() -> None:
    fields = explain.grouped.by_field(attribution(), FIELDS)
    assert fields.names == ("credit__amount", "credit__purpose", "residence__type", "age")
    assert fields.values == (0.5, 0.75, 0.125, -2.0)
    assert fields.data == (4100.0, "repairs", None, 23.0)
    assert fields.descriptions == {"credit__amount": "Amount asked for."}


def test_raw_values_take_precedence_over_one_hot_columns() -> None:
    fields = explain.grouped.by_field(attribution(), FIELDS, data={"residence__type": "free"})
    assert fields.data[2] == "free"


def test_the_longest_matching_field_wins() -> None:
    assert explain.grouped.fields_of(["a__b__c"], ["a", "a__b"]) == ["a__b"]


def test_a_column_of_no_field_is_named() -> None:
    with pytest.raises(ValueError, match="'age'"):
        explain.grouped.by_field(attribution(), FIELDS[:-1])


def test_first_levels_are_the_groups_of_the_summary() -> None:
    groups = explain.grouped.by_level(attribution())
    assert dict(zip(groups.names, groups.values, strict=True)) == {
        "credit": 1.25,
        "residence": 0.125,
        "age": -2.0,
    }
    assert groups.data == (None, None, 23.0)


def test_a_mapping_groups_what_it_names_and_leaves_the_rest() -> None:
    groups = explain.grouped.by_mapping(attribution(), {"age": "person", "residence__type__rent": "person"})
    assert groups.names == (*NAMES[:3], "person")
    assert groups.values[-1] == -1.875


def test_an_explanation_groups_row_by_row_like_its_attributions() -> None:
    whole = explanation()
    raw = {"credit__purpose": ["x", "y", "z"]}
    grouped = explain.grouped.by_field(whole, FIELDS, data=raw)
    for index in range(len(whole)):
        alone = explain.grouped.by_field(
            whole.row(index), FIELDS, data={"credit__purpose": raw["credit__purpose"][index]}
        )
        assert grouped.row(index) == alone


@given(st.lists(st.floats(-1e6, 1e6), min_size=len(NAMES), max_size=len(NAMES)), st.integers(1, 3))
def test_grouping_keeps_the_margin(values: list[float], level: int) -> None:
    before = attribution(values)
    after = explain.grouped.by_level(before, level=level)
    assert after.margin == pytest.approx(before.margin, abs=1e-8)


def test_grouped_interactions_keep_their_sum_and_symmetry() -> None:
    matrix = np.random.default_rng(0).normal(size=(len(NAMES), len(NAMES)))
    matrix = matrix + matrix.T
    groups, merged = explain.grouped.interactions(matrix, NAMES, explain.grouped.levels_of(NAMES))
    assert groups == ("credit", "residence", "age")
    assert merged[0, 1] == pytest.approx(matrix[:3, 3].sum())
    assert merged.sum() == pytest.approx(matrix.sum())
    np.testing.assert_allclose(merged, merged.T)


def test_all_rows_interactions_group_like_one_matrix() -> None:
    values = np.random.default_rng(0).normal(size=(2, len(NAMES), len(NAMES)))
    whole = explain.Interactions(
        values=values, base_values=np.zeros(2), data=np.zeros((2, len(NAMES))), feature_names=NAMES
    )
    group_of = explain.grouped.fields_of(NAMES, FIELDS)
    merged = explain.grouped.merged_interactions(whole, group_of)
    np.testing.assert_allclose(merged.row(1), explain.grouped.interactions(values[1], NAMES, group_of)[1])
    assert merged.mean_absolute().shape == (4, 4)


def test_a_class_is_chosen_before_a_row() -> None:
    random = np.random.default_rng(0)
    whole = explain.Explanation(
        values=random.normal(size=(2, 3, 4)),
        base_values=random.normal(size=(2, 4)),
        data=np.zeros((2, 3)),
        feature_names=["a", "b", "c"],
        link="softmax",
    )
    with pytest.raises(ValueError, match="choose one output"):
        whole.row(0)
    one = whole.output(2).row(1)
    assert one.values == tuple(whole.values[1, :, 2])
    assert one.prediction == one.margin


def test_parts_that_do_not_match_are_refused() -> None:
    with pytest.raises(ValueError, match="do not match"):
        explain.Attribution(names=["a"], values=[1.0, 2.0], base_value=0.0)
    with pytest.raises(ValueError, match="do not match"):
        explain.Explanation(
            values=np.zeros((2, 3)),
            base_values=np.zeros(2),
            data=np.zeros((2, 2)),
            feature_names=["a", "b", "c"],
        )


def test_an_endpoints_answer_becomes_an_attribution() -> None:
    one = explain.Attribution.from_mappings({"a": 0.5, "b": -0.5}, 0.0, data={"a": 1}, labels={"a": "Alpha"})
    assert (one.margin, one.prediction, one.baseline) == (0.0, 0.5, 0.5)
    assert one.data == (1, None)
