"""glasskit.data: what goes in comes out, and what is wrong is said."""

from __future__ import annotations

import io
from pathlib import Path

import hypothesis.extra.numpy as arrays_of
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import Table as ArrowTable
from pyarrow import parquet as arrow_parquet
from scipy import sparse

from glasskit.data import arrays, content_types, delimited, faults, libsvm, readers, recordio, tables

LABELLED = tables.Columns()
PLAIN = tables.Columns(n_labels=0)

finite = st.floats(allow_nan=False, allow_infinity=False)
singles = st.floats(width=32, allow_nan=False, allow_infinity=False)
matrices = arrays_of.arrays(np.float64, st.tuples(st.integers(1, 6), st.integers(2, 5)), elements=finite)
single_matrices = arrays_of.arrays(
    np.float64, st.tuples(st.integers(1, 6), st.integers(1, 5)), elements=singles
)


def as_csv(values: np.ndarray) -> bytes:
    return "".join(",".join(repr(float(cell)) for cell in row) + "\n" for row in values).encode()


@given(values=matrices)
def test_csv_cells_are_read_as_the_numbers_that_were_written(values: np.ndarray) -> None:
    assert (delimited.numbers(as_csv(values), "x") == values).all()


@given(values=matrices)
def test_both_csv_paths_read_the_same_bits(values: np.ndarray) -> None:
    body = as_csv(values)
    assert delimited._large(body, "x", ",").tobytes() == delimited._small(body, "x", ",").tobytes()


@given(features=single_matrices, label=singles)
def test_recordio_gives_back_a_dense_table(features: np.ndarray, label: float) -> None:
    table = tables.Table(features=features, label=np.full(len(features), label))
    again = recordio.read(recordio.write(table), "x", LABELLED)
    assert (again.features == features).all()
    assert again.label is not None
    assert (again.label == label).all()


@given(features=single_matrices)
def test_recordio_gives_back_a_sparse_table(features: np.ndarray) -> None:
    table = tables.Table(features=sparse.csr_matrix(np.where(np.abs(features) < 1, 0, features)))
    again = recordio.read(recordio.write(table), "x", PLAIN)
    assert (tables_dense(again) == tables_dense(table)).all()


def tables_dense(table: tables.Table) -> np.ndarray:
    return table.features if isinstance(table.features, np.ndarray) else table.features.toarray()


@given(cut=st.integers(1, 60))
def test_a_recordio_file_that_ends_early_is_unreadable(cut: int) -> None:
    whole = recordio.write(tables.Table(features=np.ones((2, 5)), label=np.ones(2)))
    with pytest.raises(faults.Unreadable):
        recordio.read(whole[:-cut], "x", LABELLED)


@given(noise=st.binary(min_size=1, max_size=80))
def test_bytes_that_are_no_recordio_are_unreadable(noise: bytes) -> None:
    with pytest.raises(faults.Unreadable):
        recordio.read(recordio.frame(noise)[:8] + noise, "x", LABELLED)


def test_a_split_recordio_record_is_joined_by_its_magic_number() -> None:
    magic = (0xCED7230A).to_bytes(4, "little")

    def part(flag: int, data: bytes) -> bytes:
        return magic + (flag << 29 | len(data)).to_bytes(4, "little") + data + b"\0" * (-len(data) % 4)

    assert list(recordio.frames(part(1, b"ab") + part(2, b"c") + part(3, b"d"))) == [
        b"ab" + magic + b"c" + magic + b"d"
    ]


def test_libsvm_reads_labels_weights_and_cells() -> None:
    table = libsvm.read(b"1:0.5 0:2 3:4\n0:2 1:-1  # note\n", "x", LABELLED)
    assert table.label is not None
    assert table.label.tolist() == [1, 0]
    assert table.weights is not None
    assert table.weights.tolist() == [0.5, 2]
    assert tables_dense(table).tolist() == [[2, 0, 0, 4], [0, -1, 0, 0]]


def test_libsvm_requests_may_leave_the_label_in() -> None:
    assert tables_dense(libsvm.read(b"1 0:2 1:3\n0:5", "x", PLAIN)).tolist() == [[2, 3], [5, 0]]


def test_a_libsvm_line_of_nonsense_is_named() -> None:
    with pytest.raises(faults.Unreadable, match="row 2"):
        libsvm.read(b"1 0:1\n1 a:1\n", "x", LABELLED)


def test_parquet_columns_are_label_then_features() -> None:
    stream = io.BytesIO()
    arrow_parquet.write_table(
        ArrowTable.from_pydict({"y": [1, 0], "a": [True, False], "b": [1.5, None]}), stream
    )
    table = readers._reader("parquet")(stream.getvalue(), "x", LABELLED)
    assert table.label is not None
    assert table.label.tolist() == [1, 0]
    assert np.array_equal(tables_dense(table), [[1, 1.5], [0, np.nan]], equal_nan=True)


def test_a_parquet_column_of_text_is_named() -> None:
    stream = io.BytesIO()
    arrow_parquet.write_table(ArrowTable.from_pydict({"y": [1], "a": ["x"]}), stream)
    with pytest.raises(faults.Unreadable, match="column a is string"):
        readers._reader("parquet")(stream.getvalue(), "x", LABELLED)


def test_empty_cells_are_missing_values() -> None:
    assert np.array_equal(
        delimited.numbers(b"1,,NA\n2,3,nan\n", "x"), [[1, np.nan, np.nan], [2, 3, np.nan]], True
    )


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", " "])
def test_the_delimiter_is_found_in_the_first_line(delimiter: str) -> None:
    assert delimited.numbers(f"1{delimiter}2\n3{delimiter}4\n".encode(), "x").tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"age,income\n1,2\n", "must not be a header"),
        (b"1,2\n1,x\n", "row 2 holds 'x'"),
        (b"1,2\n1\n", "row 2 has 1 columns and row 1 has 2"),
        (b"\n\n", "no rows"),
        (b"\xff\xfe1,2", "not UTF-8"),
    ],
)
def test_a_wrong_csv_says_what_and_where(body: bytes, complaint: str) -> None:
    with pytest.raises(faults.Unreadable, match=complaint):
        delimited.numbers(body, "x")


def test_a_large_wrong_csv_says_what_and_where() -> None:
    body = b"1,2\n" * 20000 + b"1,x\n"
    with pytest.raises(faults.Unreadable, match="row 20001 holds 'x'"):
        delimited.numbers(body, "x")


def test_a_channel_is_all_its_visible_files_in_name_order(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name, text in {
        "b.csv": "3,4\n",
        "a.csv": "1,2\n",
        "deep/c.csv": "5,6",
        "_SUCCESS": "x",
        ".crc": "x",
    }.items():
        (tmp_path / name).write_text(text)
    table = readers.read(tmp_path, "text/csv;label_size=0")
    assert tables_dense(table).tolist() == [[1, 2], [3, 4], [5, 6]]
    assert table.label is None


def test_weights_stand_after_the_label(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1,0.5,7\n")
    table = readers.read(tmp_path, "csv", has_weights=True)
    assert table.label is not None
    assert table.label.tolist() == [1]
    assert table.weights is not None
    assert table.weights.tolist() == [0.5]
    assert tables_dense(table).tolist() == [[7]]


def test_an_empty_channel_is_refused(tmp_path: Path) -> None:
    with pytest.raises(faults.DataFault, match="No data in channel path"):
        readers.read(tmp_path, "csv")


def test_files_of_different_width_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1,2\n")
    (tmp_path / "b.csv").write_text("1,2,3\n")
    with pytest.raises(faults.DataFault, match="differ in their number of columns"):
        readers.read(tmp_path, "csv")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("csv", "csv"), ("Text/CSV; label_size=1", "csv"), ("text/x-libsvm ;charset=utf8", "libsvm")],
)
def test_content_types_are_known_by_their_media_type(text: str, expected: str) -> None:
    assert content_types.parse(text).format == expected


def test_an_unknown_content_type_lists_the_accepted_ones(tmp_path: Path) -> None:
    with pytest.raises(
        faults.UnsupportedType, match="image/png is not an accepted ContentType: csv, text/csv"
    ):
        readers.read(tmp_path, "image/png")


@given(values=matrices)
@pytest.mark.parametrize("content_type", ["application/json", "text/csv", "application/x-npy"])
def test_arrays_come_back_from_their_encoding(content_type: str, values: np.ndarray) -> None:
    assert np.array_equal(arrays.decode(arrays.encode(values, content_type), content_type), values)


def test_a_pickled_npy_is_refused() -> None:
    stream = io.BytesIO()
    np.save(stream, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(faults.Unreadable):
        arrays.decode(stream.getvalue(), "application/x-npy")
