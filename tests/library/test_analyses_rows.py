"""The rows of a file are read as the model's own library reads them, or refused by file, row and column."""

from __future__ import annotations

from pathlib import Path

import pytest

from glasskit import trees
from glasskit.analyses import questions, rows


def of_towns(source: str) -> trees.Ensemble:
    """A model that asks whether the town is the second of two."""
    tree = trees.Tree(
        feature=[0, -1, -1],
        test=[trees.Test.IN_SET, 0, 0],
        threshold=[0.0, 0, 0],
        missing=[2, 0, 0],
        default_left=[False] * 3,
        left=[1, -1, -1],
        right=[2, -1, -1],
        value=[0.0, -1.0, 1.0],
        cover=[2.0, 1.0, 1.0],
        categories={0: frozenset({1})},
    )
    return trees.Ensemble(
        trees=(tree,), feature_names=("town",), source=source, levels={0: ("north", "south")}
    )


def test_a_category_that_xgboost_refuses_is_named_by_file_row_and_column(tmp_path: Path) -> None:
    path = tmp_path / "homes.csv"
    path.write_text("town\nnorth\n\nsouth\nwest\n".replace("\n\n", '\n""\n'))
    with pytest.raises(
        questions.Unanswerable,
        match=r"^homes\.csv holds 'west' in row 4 of column 'town', a category that the model has not seen$",
    ):
        rows.read(path, of_towns("xgboost"))
    assert rows.read(path, of_towns("lightgbm")).rows[:, 0].tolist() == ["north", None, "south", "west"]
