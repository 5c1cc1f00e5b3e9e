"""The rows of a file are read as the model's own library reads them, or refused by file, row and column."""

from __future__ import annotations

from pathlib import Path

import pytest

from glasskit import trees
from glasskit.analyses import questions, rows
from tests.library import tree_games


def of_towns(source: str) -> trees.Ensemble:
    """A model that asks whether the town is the second of two."""
    tree = tree_games.tree_of_two_categories()
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
