"""Rows as users hold them -> a float64 matrix in the model's feature order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from glasskit.trees import errors

Matrix = npt.NDArray[np.float64]


@runtime_checkable
class Table(Protocol):
    """What we need of a data frame (pandas, Polars)."""

    @property
    def columns(self) -> Sequence[str]: ...

    def __getitem__(self, name: str) -> npt.ArrayLike: ...

    def __len__(self) -> int: ...


Rows = npt.ArrayLike | Table


def matrix(rows: Rows, feature_names: Sequence[str]) -> Matrix:
    """The rows as float64 of shape (n, F). A table's columns are matched by name, NaN means missing."""
    if not isinstance(rows, np.ndarray) and isinstance(rows, Table):
        return _from_table(rows, feature_names)
    values = np.asarray(rows)
    if values.ndim == 1:
        values = values[np.newaxis, :]
    if values.ndim != 2 or values.shape[1] != len(feature_names):
        raise errors.BadInput(
            f"The model has {len(feature_names)} features, but the rows have shape {values.shape}."
        )
    if values.dtype.kind in "fiub":
        return np.ascontiguousarray(values, dtype=np.float64)
    columns = [_numbers(values[:, index], name) for index, name in enumerate(feature_names)]
    return np.column_stack(columns) if columns else np.empty((len(values), 0))


def _from_table(table: Table, feature_names: Sequence[str]) -> Matrix:
    present = {str(name): name for name in table.columns}
    absent = [name for name in feature_names if name not in present]
    if absent:
        raise errors.BadInput(
            f"The rows lack the model's column {absent[0]!r} ({len(absent)} missing in all)."
        )
    columns = [_numbers(np.asarray(table[present[name]]), name) for name in feature_names]
    return np.column_stack(columns) if columns else np.empty((len(table), 0))


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
