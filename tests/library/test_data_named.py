"""Tables of named columns: what is written is read, and what cannot be read is named with its row."""

from __future__ import annotations

import json
import math
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glasskit.data import faults, named

numbers = st.one_of(st.floats(), st.integers(-(2**53), 2**53).map(float))
tables = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(numbers, min_size=width, max_size=width), min_size=1, max_size=6)
)


@settings(max_examples=60)
@given(tables)
def test_numbers_are_read_as_they_were_written(rows: list[list[float]]) -> None:
    names = [f"c{at}" for at in range(len(rows[0]))]
    frame = pd.DataFrame(rows, columns=names)
    frame["other"] = "x"
    with tempfile.TemporaryDirectory() as folder:
        for path in (Path(folder, "a.csv"), Path(folder, "a.parquet"), Path(folder, "a.jsonl")):
            if path.suffix == ".csv":
                frame.to_csv(path, index=False)
            elif path.suffix == ".parquet":
                frame.to_parquet(path)
            else:
                path.write_text("".join(json.dumps(row) + "\n" for row in frame.to_dict("records")))
            read = named.read(path, names, texts=["other"])
            assert np.array_equal(read.numbers, np.array(rows), equal_nan=True)
            assert read.texts["other"] == ("x",) * len(rows)
            assert named.columns(path) == (*names, "other")


@settings(max_examples=40)
@given(st.lists(st.floats(-9, 9), min_size=1, max_size=8), st.data())
def test_the_row_that_holds_a_text_is_named(column: list[float], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(column) - 1))
    cells = [repr(value) for value in column]
    cells[at] = data.draw(st.sampled_from(["much", "1_000", "1,5", "0x10", "--"]))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.csv")
        path.write_text("a,b\n" + "".join(f'1,"{cell}"\n' for cell in cells))
        with pytest.raises(faults.DataFault, match=rf"in row {at + 1} of column 'b', which is not a number"):
            named.read(path, ["a", "b"])


def test_missing_values_and_truth_values_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b\n,TRUE\nNA,false\nnan,1\nNone,null\n 2 ,inf\n")
    read = named.read(path, ["b", "a"])
    assert np.array_equal(
        read.numbers,
        [[1, math.nan], [0, math.nan], [1, math.nan], [math.nan, math.nan], [math.inf, 2]],
        equal_nan=True,
    )
    assert read.row(5) == {"a": 2.0, "b": math.inf}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_and_a_byte_order_mark_is_skipped(tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "a.csv"
    text = f"first name{delimiter}b\n1{delimiter}2\n"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert named.read(path, ["first name", "b"]).numbers.tolist() == [[1.0, 2.0]]


def test_a_number_too_large_for_a_double_is_no_number(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"a": 1}\n{"a": 1' + "0" * 400 + "}\n")
    with pytest.raises(faults.DataFault, match="in row 2 of column 'a'"):
        named.read(path, ["a"])


def test_without_a_header_every_row_has_the_columns_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("1,2\n3,4\n")
    assert named.read(path, ["x", "y"], has_header=False).numbers.tolist() == [[1, 2], [3, 4]]
    with pytest.raises(faults.DataFault, match="2 cells in row 1, and 3 columns"):
        named.read(path, ["x", "y", "z"], has_header=False)
