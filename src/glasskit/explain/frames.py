"""Data frames for models that are asked: rows as numbers, so that they can be mixed, and back as the model knows them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_NUMERIC = "iufb"


def is_frame(rows: object) -> bool:
    """Whether these are a data frame of pandas."""
    return any(kind.__module__.partition(".")[0] == "pandas" for kind in type(rows).__mro__) and hasattr(
        rows, "dtypes"
    )


class Frames:
    """Rows of frames with the columns and types of one of them (`like`); a value that is no number stands as a code.

    Codes are given out as values appear, so that what a row holds need not be in the background.
    """

    def __init__(self, like: Any) -> None:
        self.names: tuple[str, ...] = tuple(map(str, like.columns))
        self._columns = list(like.columns)
        self._types = [like[name].dtype for name in self._columns]
        self._values: dict[int, list[object]] = {
            at: [] for at, kind in enumerate(self._types) if not _is_number(kind)
        }
        self._codes: dict[int, dict[Hashable, int]] = {at: {} for at in self._values}

    @property
    def has_texts(self) -> bool:
        """Whether there are columns that are no numbers."""
        return bool(self._values)

    def numbers(self, rows: Any) -> Floats:
        """The rows of a frame as float64 (n, F). Raises ValueError naming the column and the row."""
        absent = [name for name in self.names if name not in rows.columns]
        if absent:
            raise ValueError(f"the rows lack the column {absent[0]!r} ({len(absent)} missing in all)")
        found = np.empty((len(rows), len(self.names)))
        for at, name in enumerate(self._columns):
            found[:, at] = (
                self._coded(at, rows[name].tolist()) if at in self._values else _column(rows[name], name)
            )
        return found

    def frame(self, numbers: Floats) -> Any:
        """Numbers (n, F) as a frame of the model's own types."""
        import pandas as pd

        return pd.DataFrame(
            {
                name: pd.Series(self._shown(at, numbers[:, at]), dtype=self._types[at])
                for at, name in enumerate(self._columns)
            }
        )

    def shown(self, data: npt.NDArray[Any], names: Sequence[str]) -> npt.NDArray[Any]:
        """Explained values (n, players) with codes as the values that they stand for."""
        found = data.astype(object)
        for player, name in enumerate(names):
            at = self.names.index(name) if name in self.names else -1
            if at in self._values and not any(value is None for value in found[:, player]):
                found[:, player] = self._shown(at, data[:, player])
        return found

    def _coded(self, at: int, values: list[Any]) -> list[int]:
        known, listed = self._codes[at], self._values[at]
        allowed = getattr(self._types[at], "categories", None)
        coded = []
        for row, value in enumerate(values):
            key = None if value is None or value != value else value
            if key not in known:
                if key is not None and allowed is not None and key not in allowed:
                    raise ValueError(
                        f"column {self.names[at]!r}, row {row}: {value!r} is no category of the background's"
                    )
                known[key] = len(listed)
                listed.append(value)
            coded.append(known[key])
        return coded

    def _shown(self, at: int, numbers: npt.NDArray[Any]) -> Any:
        if at not in self._values:
            return numbers
        listed = self._values[at]
        return [listed[int(code)] for code in numbers.tolist()]


def _is_number(kind: Any) -> bool:
    return getattr(kind, "kind", "O") in _NUMERIC and isinstance(kind, np.dtype)


def _column(column: Any, name: object) -> Floats:
    given = column.to_numpy()
    try:
        return np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        for row, value in enumerate(given.tolist()):
            if not isinstance(value, int | float):
                raise ValueError(f"column {name!r}, row {row}: {value!r} is not a number") from None
        raise
