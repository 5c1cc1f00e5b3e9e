"""One column as users hold it -> float64; what is no number there is named by column and row."""

from __future__ import annotations

import decimal
import math
import numbers
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from glasskit.trees import errors, texts

Column: TypeAlias = npt.NDArray[np.generic]
Numbers: TypeAlias = npt.NDArray[np.float64]
Level: TypeAlias = str | int | float | bool

_NUMERIC = "fiub"
_DATES = "mM"


def of_numbers(column: Column, name: str) -> Numbers:
    """A column of numbers, booleans and nulls (NaN). Raises BadInput."""
    if column.dtype.kind in _NUMERIC:
        return column.astype(np.float64)
    if column.dtype.kind in _DATES:
        raise errors.BadInput(f"Column {name!r} holds dates or durations: give numbers, such as days.")
    return np.array(
        [_number(value, name, row) for row, value in enumerate(column.tolist())], dtype=np.float64
    )


def of_texts(column: Column, name: str, hashes: Sequence[int]) -> Numbers:
    """A column of categories, texts or whole numbers, as `texts.number` numbers them. Raises BadInput."""
    if column.dtype.kind in "fiu" and texts.are_plain(column.astype(np.float64)):
        return column.astype(np.float64)
    known: dict[str | int, int] = {}
    found = np.empty(len(column), dtype=np.float64)
    for row, value in enumerate(column.tolist()):
        category = _category(value, name, row)
        if category not in known:
            known[category] = texts.number(category, hashes)
        found[row] = known[category]
    return found


def of_levels(column: Column, name: str, levels: Sequence[Level], *, refuses_unseen: bool) -> Numbers:
    """A column of a category's values as the numbers of its levels; what is missing or unseen is NaN.

    refuses_unseen: raises BadInput for a value that is no level.
    """
    codes: Mapping[object, int] = {level: code for code, level in enumerate(levels)}
    found = np.empty(len(column), dtype=np.float64)
    for row, value in enumerate(column.tolist()):
        if _is_null(value):
            found[row] = math.nan
        elif value in codes:
            found[row] = codes[value]
        elif refuses_unseen:
            raise errors.BadInput(
                f"Column {name!r}, row {row}: the model has not seen the category {value!r}."
            )
        else:
            found[row] = math.nan
    return found


def _number(value: object, name: str, row: int) -> float:
    if _is_null(value):
        return math.nan
    if isinstance(value, numbers.Real | decimal.Decimal | np.bool_):
        try:
            return float(value)
        except OverflowError as exc:
            raise errors.BadInput(f"Column {name!r}, row {row}: {value!r} is too large a number.") from exc
    hint = " It is a text that reads like one: convert the column first." if _reads_as_number(value) else ""
    raise errors.BadInput(f"Column {name!r}, row {row}: {value!r} is not a number.{hint}")


def _is_null(value: object) -> bool:
    return value is None or type(value).__name__ in ("NAType", "NaTType") or value != value


def _reads_as_number(value: object) -> bool:
    try:
        float(value if isinstance(value, str) else "no")
    except ValueError:
        return False
    return True


def _category(value: object, name: str, row: int) -> str | int:
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, numbers.Real) and float(value).is_integer():
        return int(float(value))
    raise errors.BadInput(
        f"Column {name!r}, row {row}: {value!r} is not a category. "
        "The model takes whole numbers and texts here; where one is missing, give what it was trained with."
    )
