"""Rows as users hold them, and what they hear when the rows do not fit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from glasskit import trees
from glasskit.trees import rows

NAMES = ("age", "income")


def test_a_data_frame_is_matched_by_column_name() -> None:
    frame = pd.DataFrame({"income": [1, 2], "other": ["x", "y"], "age": [30.0, np.nan]})
    np.testing.assert_array_equal(rows.matrix(frame, NAMES), [[30.0, 1.0], [np.nan, 2.0]])


def test_booleans_and_nulls_become_numbers() -> None:
    frame = pd.DataFrame({"age": [True, None], "income": pd.array([1, None], dtype="Int64")})
    np.testing.assert_array_equal(rows.matrix(frame, NAMES), [[1.0, 1.0], [np.nan, np.nan]])


def test_one_row_may_be_given_flat() -> None:
    assert rows.matrix([1, 2], NAMES).tolist() == [[1.0, 2.0]]


def test_an_absent_column_is_named() -> None:
    with pytest.raises(trees.BadInput, match="'income'"):
        rows.matrix(pd.DataFrame({"age": [1]}), NAMES)


def test_a_text_in_a_numeric_column_is_named_with_its_row() -> None:
    with pytest.raises(trees.BadInput, match=r"Column 'income', row 1: 'many' is not a number"):
        rows.matrix(pd.DataFrame({"age": [1, 2], "income": [3, "many"]}), NAMES)


def test_a_wrong_number_of_columns_is_refused() -> None:
    with pytest.raises(trees.BadInput, match="2 features"):
        rows.matrix(np.zeros((3, 5)), NAMES)
