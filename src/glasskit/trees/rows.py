"""Rows as users hold them -> a float64 matrix in the model's feature order."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from glasskit.trees import cells, errors

Matrix = npt.NDArray[np.float64]


@runtime_checkable
class Table(Protocol):
    """What we need of a data frame (pandas, Polars)."""

    @property
    def columns(self) -> Sequence[str]: ...

    def __getitem__(self, name: str) -> npt.ArrayLike: ...

    def __len__(self) -> int: ...


Rows = npt.ArrayLike | Table


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How a model reads columns that are no plain numbers; features by their position.

    text_hashes: columns in which texts are categories (texts.py), with the hashes of the known ones.
    levels: columns of a data frame's categories, with their values in the order of their codes.
    takes_codes: whether the model was trained on codes of such categories, even where levels are unknown.
    refuses_unseen: whether a value that is no level is an error, and not missing.
    """

    text_hashes: Mapping[int, tuple[int, ...]] = dataclasses.field(default_factory=dict)
    levels: Mapping[int, tuple[cells.Level, ...]] = dataclasses.field(default_factory=dict)
    takes_codes: bool = False
    refuses_unseen: bool = False


PLAIN = Reading()


def matrix(rows: Rows, feature_names: Sequence[str], *, reading: Reading = PLAIN) -> Matrix:
    """The rows as float64 of shape (n, F); NaN means missing. Raises BadInput.

    A table's columns are matched by name, and hold values; an array's by position, and hold codes of
    categories, or texts.
    """
    if not isinstance(rows, np.ndarray) and isinstance(rows, Table):
        return _from_table(rows, feature_names, reading)
    values = np.asarray(rows)
    if values.ndim == 1 and len(values):
        values = values[np.newaxis, :]
    if values.ndim != 2:
        raise errors.BadInput(
            f"Rows are a table of rows and columns, but these have the shape {values.shape}."
        )
    if values.shape[1] != len(feature_names):
        raise errors.BadInput(
            f"The model has {len(feature_names)} features, but the rows have {values.shape[1]} columns."
        )
    if values.dtype.kind in "fiub" and not reading.text_hashes:
        return np.ascontiguousarray(values, dtype=np.float64)
    columns = [
        _from_array(values[:, index], name, index, reading) for index, name in enumerate(feature_names)
    ]
    return np.column_stack(columns) if columns else np.empty((len(values), 0))


def shown(
    rows: Rows, numbers: Matrix, feature_names: Sequence[str], *, reading: Reading = PLAIN
) -> npt.NDArray[Any]:
    """The rows as a reader knows them: the numbers, or, where texts are categories, those texts."""
    by_text = [index for index, levels in reading.levels.items() if isinstance(levels[0], str)]
    if not reading.text_hashes and not by_text:
        return numbers
    as_given: npt.NDArray[Any] = numbers.astype(object)
    for index in [*reading.text_hashes, *by_text]:
        if not isinstance(rows, np.ndarray) and isinstance(rows, Table):
            as_given[:, index] = np.asarray(rows[_found(rows, feature_names)[index]], dtype=object)
        else:
            as_given[:, index] = np.asarray(rows, dtype=object).reshape(numbers.shape)[:, index]
    return as_given


def _from_array(column: cells.Column, name: str, index: int, reading: Reading) -> Matrix:
    if index in reading.text_hashes:
        return cells.of_texts(column, name, reading.text_hashes[index])
    levels = reading.levels.get(index, ())
    if column.dtype.kind in "OU" and levels and any(isinstance(value, str) for value in column.tolist()):
        return cells.of_levels(column, name, levels, refuses_unseen=reading.refuses_unseen)
    return cells.of_numbers(column, name)


def _from_table(table: Table, feature_names: Sequence[str], reading: Reading) -> Matrix:
    columns = [
        _from_frame(table[key], name, index, reading)
        for index, (key, name) in enumerate(zip(_found(table, feature_names), feature_names, strict=True))
    ]
    return np.column_stack(columns) if columns else np.empty((len(table), 0))


def _found(table: Table, feature_names: Sequence[str]) -> list[str]:
    """The table's own names of the model's features; LightGBM writes blanks in names as underscores."""
    keys, wanted = list(table.columns), set(feature_names)
    present: dict[str, list[str]] = {}
    for key in keys:
        if str(key) in wanted:
            present.setdefault(str(key), []).append(key)
    wanted -= set(present)
    if wanted:
        for key in keys:
            if str(key).replace(" ", "_") in wanted:
                present.setdefault(str(key).replace(" ", "_"), []).append(key)
    absent = [name for name in feature_names if name not in present]
    if absent:
        raise errors.BadInput(
            f"The rows lack the model's column {absent[0]!r} ({len(absent)} missing in all)."
        )
    twice = next((name for name in feature_names if len(present[name]) > 1), None)
    if twice is not None:
        raise errors.BadInput(f"The rows have {len(present[twice])} columns named {twice!r}; keep one.")
    return [present[name][0] for name in feature_names]


def _from_frame(given: npt.ArrayLike, name: str, index: int, reading: Reading) -> Matrix:
    column, is_category = np.asarray(given), str(getattr(given, "dtype", "")).lower() in ("category", "enum")
    if index in reading.text_hashes:
        return cells.of_texts(column, name, reading.text_hashes[index])
    levels = reading.levels.get(index)
    if levels is None:
        if is_category and reading.takes_codes:
            raise errors.BadInput(
                f"Column {name!r} has the type category, whose codes the model does not know: "
                "give the codes that it was trained on, as numbers."
            )
        return cells.of_numbers(column, name)
    if is_category or column.dtype.kind not in "fiu":
        return cells.of_levels(column, name, levels, refuses_unseen=reading.refuses_unseen)
    if not isinstance(levels[0], str):
        raise errors.BadInput(
            f"Column {name!r} holds numbers, but the model was trained on a category of {list(levels[:5])}: "
            "give the column the type category, or the rows as an array of codes."
        )
    return cells.of_numbers(column, name)
