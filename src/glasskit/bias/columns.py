"""Columns of a table as codes, flags and numbers; what cannot be used is named with its column and row."""

from __future__ import annotations

import difflib
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from glasskit.bias import faults, questions
from glasskit.bias.counts import Codes, Flags

if TYPE_CHECKING:
    import pandas as pd

    Series = pd.Series[Any]

_CONTINUOUS_FROM = 0.05
"""The share of different values from which whole numbers count as continuous, as in smclarify."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Coded:
    """A column of few values: codes (n,) into values, which are sorted."""

    codes: Codes
    values: tuple[object, ...]


def names_of(table: Any) -> list[str]:
    """The names of the columns of a mapping, a data frame or a PyArrow table."""
    if hasattr(table, "column_names"):
        return [str(name) for name in table.column_names]
    if hasattr(table, "columns") or isinstance(table, Mapping):
        return [str(name) for name in table]
    raise faults.Unusable(
        f"a table is a mapping of columns, a data frame or a PyArrow table, not {type(table).__name__}"
    )


def read(table: Any, names: Iterable[str]) -> pd.DataFrame:
    """The named columns, as a data frame with rows 0 to n − 1. Raises Unusable."""
    import pandas as pd

    known, wanted = names_of(table), list(dict.fromkeys(names))
    for name in wanted:
        if known.count(name) != 1:
            raise faults.Unusable(_no_column(name, known))
    if hasattr(table, "column_names"):
        frame: pd.DataFrame = table.select(wanted).to_pandas(strings_to_categorical=True)
    else:
        columns = {name: _series(name, table[name]) for name in wanted}
        lengths = {name: len(column) for name, column in columns.items()}
        if len(set(lengths.values())) > 1:
            raise faults.Unusable(f"columns differ in their number of rows: {lengths}")
        frame = pd.DataFrame(columns)
    if not len(frame):
        raise faults.Unusable("the table has no rows")
    return frame


def _series(name: str, values: Any) -> Series:
    import pandas as pd

    shape = np.shape(values)
    if len(shape) != 1:
        raise faults.Unusable(f"column {name!r} has shape {shape}; one value per row is needed")
    return pd.Series(values).reset_index(drop=True)


def _no_column(name: str, known: Sequence[str]) -> str:
    if name in known:
        return f"several columns are called {name!r}"
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(map(repr, known[:20]))}"
    return f"there is no column {name!r}{hint}"


def complete(frame: pd.DataFrame, missing: str) -> pd.DataFrame:
    """The rows that have a value in every column; their index stays. Raises Unusable unless others may be dropped."""
    gaps = frame.isna()
    if not gaps.to_numpy().any():
        return frame
    if missing == "refuse":
        for name in frame.columns:
            rows = np.flatnonzero(gaps[name].to_numpy())
            if len(rows):
                more = f", and so {len(rows) - 1:,} more" if len(rows) > 1 else ""
                raise faults.Unusable(f"column {name!r} has no value in row {rows[0] + 1}{more}")
    kept = frame[~gaps.any(axis=1)]
    if not len(kept):
        raise faults.Unusable(f"no row has a value in each of {', '.join(map(repr, frame.columns))}")
    return kept


def coded(series: Series) -> Coded:
    """The column as codes of its sorted values."""
    import pandas as pd

    if isinstance(series.dtype, pd.CategoricalDtype):
        codes, found = series.cat.codes.to_numpy(), list(series.cat.categories)
        present = np.bincount(codes, minlength=len(found)) > 0
    else:
        codes, index = pd.factorize(series)
        found, present = list(index), np.ones(len(index), np.bool_)
    order = sorted(np.flatnonzero(present), key=lambda at: _sorting(found[at]))
    place = np.zeros(len(found), np.intp)
    place[order] = np.arange(len(order))
    return Coded(codes=place[codes], values=tuple(plain(found[at]) for at in order))


def plain(value: Any) -> object:
    """A NumPy scalar as Python's own."""
    return value.item() if isinstance(value, np.generic) else value


def _sorting(value: Any) -> tuple[bool, float, str]:
    if isinstance(value, (bool, int, float, np.number, np.bool_)):
        return False, float(value), ""
    return True, 0.0, str(value)


def matching(wanted: object, values: Sequence[object]) -> int | None:
    """Which of the values is meant: the same one, or the same in another spelling (1, 1.0, "1", True, "true")."""
    for at, value in enumerate(values):
        if type(value) is type(wanted) and value == wanted:
            return at
    meant = _spelt(wanted)
    return next((at for at, value in enumerate(values) if _spelt(value) == meant), None)


def _spelt(value: object) -> object:
    if isinstance(value, (bool, int, float, np.number, np.bool_)):
        return float(value)
    text = str(value).strip()
    if text.lower() in ("true", "false"):
        return float(text.lower() == "true")
    try:
        return float(text)
    except ValueError:
        return text


def numbers(series: Series) -> np.ndarray:
    """The column as float64. Raises Unusable naming the first row that is no number."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(series.dtype):
        return series.to_numpy(dtype=np.float64)
    read_as: Series = pd.to_numeric(series.astype(object), errors="coerce")
    wrong = np.flatnonzero(read_as.isna().to_numpy())
    if len(wrong):
        at = int(wrong[0])
        raise faults.Unusable(
            f"column {series.name!r} holds {str(series.iloc[at])[:40]!r} in row {int(series.index[at]) + 1}, "
            "which is not a number"
        )
    return read_as.to_numpy(dtype=np.float64)


def kind_of(
    series: Series, wanted: Sequence[object], declared: questions.Kind | None, *, compat: bool
) -> questions.Kind:
    """Whether the wanted values are categories or thresholds.

    Categorical: texts, booleans, several wanted values, one that is no number, a wanted value among at most two different ones, and whole
    numbers of which under 5 % differ. smclarify takes every column of floats, and any short column of whole numbers,
    for continuous.
    """
    import pandas as pd

    if declared is not None:
        return declared
    if len(wanted) > 1 or isinstance(series.dtype, pd.CategoricalDtype) or not len(wanted):
        return "categorical"
    if pd.api.types.is_bool_dtype(series.dtype) or not isinstance(_spelt(wanted[0]), float):
        return "categorical"
    if not pd.api.types.is_numeric_dtype(series.dtype):
        return "continuous" if compat and _counted(series) else "categorical"
    fractional = pd.api.types.is_float_dtype(series.dtype)
    if not compat:
        fractional = is_fractional(series)
        different = series.unique()[:3]
        if len(different) <= 2 and matching(wanted[0], [plain(value) for value in different]) is not None:
            return "categorical"
    many = fractional or series.nunique() / len(series) >= _CONTINUOUS_FROM
    return "continuous" if many else "categorical"


def _counted(series: Series) -> bool:
    """Whether texts are whole numbers of many values."""
    try:
        series.astype("int64")
    except (ValueError, TypeError):
        return False
    return bool(series.nunique() / len(series) >= _CONTINUOUS_FROM)


def are_alike(some: Sequence[object], others: Sequence[object]) -> bool:
    """Whether both hold numbers, or both texts."""
    numeric = [{isinstance(_spelt(value), float) for value in values} for values in (some, others)]
    return bool(numeric[0] & numeric[1])


def shown(values: Sequence[object]) -> str:
    """The first of some values, for a sentence."""
    return ", ".join(repr(value) for value in values[:10]) + (", …" if len(values) > 10 else "")


def is_fractional(series: Series) -> bool:
    """Whether the column holds numbers that are not whole."""
    import pandas as pd

    if not pd.api.types.is_float_dtype(series.dtype):
        return False
    values = series.to_numpy(dtype=np.float64)
    return bool((values != np.floor(values)).any())


def threshold(name: str, value: object) -> float:
    """A wanted value as a number. Raises Unusable."""
    meant = _spelt(value)
    if not isinstance(meant, float) or not np.isfinite(meant):
        raise faults.Unusable(f"column {name!r} is continuous; {value!r} is no threshold")
    return meant


def interval_text(thresholds: Sequence[float], greatest: float) -> str:
    """The thresholds as Clarify writes them: `(25, 75]`, or `(25.5, 75.0]`."""
    ends = sorted(set(thresholds))
    ends.append(greatest if greatest > ends[-1] else math.inf)
    whole = all(end.is_integer() for end in ends)
    texts = [str(int(end)) if whole else str(end) for end in ends]
    return ",".join(f"({low}, {high}]" for low, high in itertools.pairwise(texts))


def above(values: np.ndarray, limit: float) -> Flags:
    """Where the number lies above the threshold, which is exclusive."""
    return np.asarray(values > limit)
