"""Rows as users hold them -> a float64 matrix in the model's feature order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from glasskit.trees import errors, texts

Matrix = npt.NDArray[np.float64]


@runtime_checkable
class Table(Protocol):
    """What we need of a data frame (pandas, Polars)."""

    @property
    def columns(self) -> Sequence[str]: ...

    def __getitem__(self, name: str) -> npt.ArrayLike: ...

    def __len__(self) -> int: ...


Rows = npt.ArrayLike | Table


Hashes = Mapping[int, tuple[int, ...]]
_NO_HASHES: Hashes = MappingProxyType({})


def matrix(rows: Rows, feature_names: Sequence[str], *, text_hashes: Hashes = _NO_HASHES) -> Matrix:
    """The rows as float64 of shape (n, F). A table's columns are matched by name, NaN means missing.

    text_hashes: the columns in which texts are categories (texts.py), with the hashes of the known ones.
    """
    if not isinstance(rows, np.ndarray) and isinstance(rows, Table):
        return _from_table(rows, feature_names, text_hashes)
    values = np.asarray(rows)
    if values.ndim == 1:
        values = values[np.newaxis, :]
    if values.ndim != 2 or values.shape[1] != len(feature_names):
        raise errors.BadInput(
            f"The model has {len(feature_names)} features, but the rows have shape {values.shape}."
        )
    if values.dtype.kind in "fiub" and not text_hashes:
        return np.ascontiguousarray(values, dtype=np.float64)
    columns = [
        _column(values[:, index], name, text_hashes.get(index)) for index, name in enumerate(feature_names)
    ]
    return np.column_stack(columns) if columns else np.empty((len(values), 0))


def shown(
    rows: Rows, numbers: Matrix, feature_names: Sequence[str], *, text_hashes: Hashes
) -> npt.NDArray[Any]:
    """The rows as a reader knows them: the numbers, or, where texts are categories, those texts."""
    if not text_hashes:
        return numbers
    as_given: npt.NDArray[Any] = numbers.astype(object)
    for index in text_hashes:
        if not isinstance(rows, np.ndarray) and isinstance(rows, Table):
            as_given[:, index] = np.asarray(rows[feature_names[index]], dtype=object)
        else:
            as_given[:, index] = np.asarray(rows, dtype=object).reshape(numbers.shape)[:, index]
    return as_given


def _from_table(table: Table, feature_names: Sequence[str], text_hashes: Hashes) -> Matrix:
    present = {str(name): name for name in table.columns}
    absent = [name for name in feature_names if name not in present]
    if absent:
        raise errors.BadInput(
            f"The rows lack the model's column {absent[0]!r} ({len(absent)} missing in all)."
        )
    columns = [
        _column(np.asarray(table[present[name]]), name, text_hashes.get(index))
        for index, name in enumerate(feature_names)
    ]
    return np.column_stack(columns) if columns else np.empty((len(table), 0))


def _column(column: npt.NDArray[np.generic], name: str, hashes: Sequence[int] | None) -> Matrix:
    return _numbers(column, name) if hashes is None else _categories(column, name, hashes)


def _categories(column: npt.NDArray[np.generic], name: str, hashes: Sequence[int]) -> Matrix:
    if column.dtype.kind in "fiu" and texts.are_categories(column.astype(np.float64)):
        return column.astype(np.float64)
    known: dict[str | int, int] = {}
    numbers = np.empty(len(column), dtype=np.float64)
    for row, value in enumerate(column.tolist()):
        category = _category(value, name, row)
        if category not in known:
            known[category] = texts.number(category, hashes)
        numbers[row] = known[category]
    return numbers


def _category(value: object, name: str, row: int) -> str | int:
    if isinstance(value, str | int):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise errors.BadInput(
        f"Column {name!r}, row {row}: {value!r} is not a category. "
        "The model takes whole numbers and texts here; where one is missing, give what it was trained with."
    )


def _numbers(column: npt.NDArray[np.generic], name: str) -> Matrix:
    if column.dtype.kind in "fiub":
        return column.astype(np.float64)
    numbers = np.empty(len(column), dtype=np.float64)
    for row, value in enumerate(column.tolist()):
        if value is None or type(value).__name__ in ("NAType", "NaTType"):
            numbers[row] = np.nan
        elif isinstance(value, int | float):
            numbers[row] = value
        else:
            raise errors.BadInput(f"Column {name!r}, row {row}: {value!r} is not a number.")
    return numbers
