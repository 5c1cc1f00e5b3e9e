"""Comma-separated numbers without a header; an empty cell is a missing value."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from glasskit.data import faults, tables

if TYPE_CHECKING:
    import numpy.typing as npt

_DELIMITERS = b",;\t|"
_SMALL_BYTES = 64 * 1024
_MISSING = frozenset({"", "nan", "na", "null", "none"})


def delimiter_of(first_line: bytes) -> str:
    """The character that separates the cells of a line: the first of `,` `;` TAB `|` in it, else a space.

    A line with one cell has none; then it is a comma.
    """
    for character in first_line:
        if character in _DELIMITERS:
            return chr(character)
    return " " if b" " in first_line.strip() else ","


def read(body: bytes, where: str, columns: tables.Columns) -> tables.Table:
    """Splits numbers() into label, weights and features."""
    return split(numbers(body, where), where, columns)


def split(values: npt.NDArray[np.float64], where: str, columns: tables.Columns) -> tables.Table:
    """Columns in the order label, weight, features."""
    n_leading = columns.n_labels + columns.has_weights
    if values.shape[1] <= n_leading:
        raise faults.Unreadable(
            where, "csv", f"rows of {values.shape[1]} columns have no feature after {n_leading} leading ones"
        )
    return tables.Table(
        features=np.ascontiguousarray(values[:, n_leading:]),
        label=np.ascontiguousarray(values[:, 0]) if columns.n_labels else None,
        weights=np.ascontiguousarray(values[:, columns.n_labels]) if columns.has_weights else None,
    )


def numbers(body: bytes, where: str) -> npt.NDArray[np.float64]:
    """The cells as float64, correctly rounded, of shape (n_rows, n_columns).

    Raises faults.Unreadable naming the row that differs in length or holds something that is no number.
    """
    if body.startswith(b"\xef\xbb\xbf"):
        body = body[3:]
    delimiter = delimiter_of(body[: body.find(b"\n")] if b"\n" in body else body)
    if len(body) <= _SMALL_BYTES or delimiter == " ":
        return _small(body, where, delimiter)
    return _large(body, where, delimiter)


def _small(body: bytes, where: str, delimiter: str) -> npt.NDArray[np.float64]:
    """Plain Python: faster than any library's start for a request of a few rows."""
    try:
        lines = [line for line in body.decode("utf-8").splitlines() if line.strip()]
    except UnicodeDecodeError as exc:
        raise faults.Unreadable(where, "csv", "the bytes are not UTF-8") from exc
    rows = [_row(line, index, where, delimiter) for index, line in enumerate(lines, start=1)]
    if not rows:
        raise faults.Unreadable(where, "csv", "there are no rows")
    for index, row in enumerate(rows, start=1):
        if len(row) != len(rows[0]):
            raise faults.Unreadable(
                where, "csv", f"row {index} has {len(row)} columns and row 1 has {len(rows[0])}"
            )
    return np.array(rows, dtype=np.float64)


def _row(line: str, index: int, where: str, delimiter: str) -> list[float]:
    cells = line.split() if delimiter == " " else line.split(delimiter)
    try:
        return [float(cell) for cell in cells]
    except ValueError:
        return [_cell(cell, index, where) for cell in cells]


def _cell(text: str, index: int, where: str) -> float:
    bare = text.strip().strip('"')
    if bare.lower() in _MISSING:
        return float("nan")
    try:
        return float(bare)
    except ValueError as exc:
        hint = " (the first row must not be a header)" if index == 1 else ""
        raise faults.Unreadable(
            where, "csv", f"row {index} holds {bare[:40]!r}, which is not a number{hint}"
        ) from exc


def _large(body: bytes, where: str, delimiter: str) -> npt.NDArray[np.float64]:
    """PyArrow's reader, column by column; what it refuses is read again for a message that names the row."""
    import pyarrow as pa
    from pyarrow import csv

    first_line = body[: body.find(b"\n")]
    names = [str(index) for index in range(first_line.count(delimiter.encode()) + 1)]
    missing = sorted(
        {spelling for word in _MISSING for spelling in (word, word.upper(), word.title())} | {"NaN"}
    )
    try:
        table = csv.read_csv(
            io.BytesIO(body),
            read_options=csv.ReadOptions(column_names=names),
            parse_options=csv.ParseOptions(delimiter=delimiter),
            convert_options=csv.ConvertOptions(
                column_types={name: pa.float64() for name in names},
                null_values=missing,
                strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid:
        return _small(body, where, delimiter)
    columns = [column.to_numpy(zero_copy_only=False) for column in table.columns]
    return np.column_stack(columns).astype(np.float64, copy=False)
