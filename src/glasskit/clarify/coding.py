"""Rows of values as a matrix of numbers and back: what explanations mix, and what models are sent.

A column of numbers stands as it is, with NaN where there is none. Every other column stands as the place of its value
in a list of all its values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Kind = Literal["whole", "number", "category"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column. categories: its values in the order of their numbers, () for numbers."""

    name: str
    kind: Kind
    categories: tuple[Any, ...] = ()

    def encoded(self, values: pd.Series[Any]) -> Floats:
        if self.kind != "category":
            return values.to_numpy(dtype=np.float64, na_value=np.nan)
        places = {_key(value): float(at) for at, value in enumerate(self.categories)}
        return np.array([places.get(_key(value), np.nan) for value in values.tolist()])

    def decoded(self, codes: Floats) -> list[Any]:
        """The values, None where there is none; whole numbers without a fraction stay whole."""
        if self.kind == "category":
            return [None if code != code else self.categories[int(code)] for code in codes.tolist()]
        if self.kind == "whole":
            return [_whole(code) for code in codes.tolist()]
        return [None if code != code else code for code in codes.tolist()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Coding:
    """The columns of a table."""

    columns: tuple[Column, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def is_numeric(self) -> bool:
        return all(column.kind != "category" for column in self.columns)

    @property
    def categorical(self) -> npt.NDArray[np.bool_]:
        """Which columns are not numbers; (F,)."""
        return np.array([column.kind == "category" for column in self.columns])

    def encode(self, frame: pd.DataFrame) -> Floats:
        """(n, F)"""
        return np.column_stack([column.encoded(frame[column.name]) for column in self.columns])

    def decode(self, matrix: Floats) -> list[tuple[Any, ...]]:
        """The rows as values."""
        columns = [column.decoded(matrix[:, at]) for at, column in enumerate(self.columns)]
        return list(zip(*columns, strict=True))


def learned(frame: pd.DataFrame, *others: pd.DataFrame) -> Coding:
    """The coding of all values of some frames with the same columns."""
    import pandas as pd

    columns = []
    for name in frame.columns:
        parts = [one[name] for one in (frame, *others)]
        numeric = [
            pd.api.types.is_numeric_dtype(p.dtype) and not pd.api.types.is_bool_dtype(p.dtype) for p in parts
        ]
        if all(numeric):
            kind: Kind = "whole" if pd.api.types.is_integer_dtype(parts[0].dtype) else "number"
            columns.append(Column(name=str(name), kind=kind))
            continue
        values = {_key(value): value for part in parts for value in part.tolist() if not _is_absent(value)}
        ordered = sorted(values.values(), key=str)
        columns.append(Column(name=str(name), kind="category", categories=tuple(ordered)))
    return Coding(columns=tuple(columns))


def _whole(code: float) -> float | int | None:
    if code != code:
        return None
    return int(code) if code.is_integer() else code


def _is_absent(value: object) -> bool:
    return value is None or (isinstance(value, float) and value != value)


def _key(value: object) -> tuple[str, object]:
    """Tells True from 1, and a number of NumPy's not from the same one of Python's."""
    if isinstance(value, bool | np.bool_):
        return "truth", bool(value)
    if isinstance(value, int | float | np.number):
        return "number", float(value)
    return "text", str(value)
