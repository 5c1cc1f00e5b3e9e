"""Files of named columns (CSV with a header, Parquet, JSON lines) as numbers and texts.

What cannot be used is named with its file, column and row; the first row of data is row 1. Missing values
(an empty cell, NA, NaN, null, None) are NaN, truth values 1 and 0.
"""

from __future__ import annotations

import collections
import csv
import dataclasses
import difflib
import itertools
import json
import math
import pathlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from glasskit.data import delimited, faults

Floats = npt.NDArray[np.float64]

SUFFIXES = (".csv", ".parquet", ".pq", ".jsonl")
"""What a file's name may end in."""

_MISSING = frozenset({"", "na", "nan", "null", "none"})
_TRUTH = {"true": 1.0, "false": 0.0}
_SHOWN = 40
_BLOCK_BYTES = 1 << 20
_LONGEST_CELL = 1 << 27
_LARGEST = 1 << 1023


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Named:
    """Rows of a file. numbers: (n, F) in the order of `names`; texts: further columns as they stand."""

    names: tuple[str, ...]
    numbers: Floats
    texts: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.numbers)

    def row(self, number: int) -> dict[str, float]:
        """The numbers of a row, the first of which is row 1."""
        return dict(zip(self.names, self.numbers[number - 1].tolist(), strict=True))


def columns(path: pathlib.Path) -> tuple[str, ...]:
    """The names of a file's columns. Raises faults.DataFault."""
    kind = _kind(path)
    if kind == "parquet":
        return tuple(_parquet_schema(path).names)
    if kind == "jsonl":
        _, first = next(_json_rows(path))
        return tuple(first)
    return _header(path)[0]


def delimiter(path: pathlib.Path) -> str:
    """What stands between the cells of a CSV, as its first line shows."""
    return _header(path)[1]


def read(
    path: pathlib.Path,
    names: Sequence[str],
    *,
    texts: Sequence[str] = (),
    has_header: bool = True,
    kept_as_texts: Collection[str] = (),
) -> Named:
    """The named columns of a file. has_header: without one a CSV holds exactly `names`, in their order.

    texts: columns besides `names` that are read as texts. kept_as_texts: those of `names` that hold no numbers; they are
    among the texts, and NaN among the numbers. Raises faults.DataFault naming the column and the row that cannot be used.
    """
    kind = _kind(path)
    if not has_header and (kind != "csv" or texts):
        raise faults.DataFault(
            "only a CSV may come without a header, and its columns are then the model's alone"
        )
    known = columns(path) if has_header else tuple(names)
    counts = collections.Counter(known)
    wrong = next((name for name in (*names, *texts) if counts[name] != 1), None)
    if wrong is not None:
        raise faults.DataFault(_no_column(path, wrong, counts, names))
    wanted = list(dict.fromkeys((*names, *texts)))
    numeric = [name for name in names if name not in kept_as_texts]
    if kind == "parquet":
        table = _parquet(path, wanted)
    elif kind == "jsonl":
        table = _json(path, wanted)
    else:
        table = _csv(path, known, wanted, numeric, has_header=has_header)
    n_rows = len(table[wanted[0]])
    if not n_rows:
        raise faults.DataFault(f"{path.name} has no rows")
    no_numbers = np.full(n_rows, np.nan)
    found = [no_numbers if name in kept_as_texts else _numbers(path, name, table[name]) for name in names]
    as_they_stand = dict.fromkeys([*texts, *(name for name in names if name in kept_as_texts)])
    return Named(
        names=tuple(names),
        numbers=np.column_stack(found),
        texts={name: tuple(_text(value) for value in _listed(table[name])) for name in as_they_stand},
    )


def values(path: pathlib.Path) -> dict[str, list[Any]]:
    """All columns of a JSON lines file as they stand; a row that lacks one has None there."""
    _kind(path)
    table: dict[str, list[Any]] = {}
    for number, row in _json_rows(path):
        for name in row.keys() - table.keys():
            table[name] = [None] * (number - 1)
        for name, column in table.items():
            column.append(row.get(name))
    return table


def require_even(path: pathlib.Path) -> None:
    """Raises faults.DataFault for the first row of a CSV that has another number of cells than its header."""
    names, delimiter = _header(path)
    _find_odd_row(path, len(names), delimiter, n_skipped=1)


def _kind(path: pathlib.Path) -> str:
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise faults.DataFault(f"{path.name} is no table; its name must end in {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise faults.DataFault(f"there is no file {path}")
    if not path.stat().st_size:
        raise faults.DataFault(f"{path.name} is empty")
    return "parquet" if suffix in (".parquet", ".pq") else suffix.removeprefix(".")


def _no_column(path: pathlib.Path, name: str, known: Mapping[str, int], all_names: Sequence[str]) -> str:
    if name in known:
        return f"{known[name]} columns of {path.name} are called {name!r}"
    some = list(itertools.islice(known, 1000))
    close = [other for other in some if other.lower().strip() == name.lower().strip()]
    close = close or difflib.get_close_matches(name, some, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"it has {_listing(some, len(known))}"
    n_absent = sum(other not in known for other in all_names)
    more = f" ({n_absent:,} missing in all)" if n_absent > 1 else ""
    return f"{path.name} lacks the column {name!r}{more}; {hint}"


def _listing(some: Sequence[str], n_all: int) -> str:
    shown = ", ".join(repr(name[:_SHOWN]) for name in some[:8])
    return shown if n_all <= 8 else f"{n_all:,} columns: {shown}, …"


# --- CSV -----------------------------------------------------------------------------------------


def _header(path: pathlib.Path) -> tuple[tuple[str, ...], str]:
    """(the names in the first line, the delimiter)."""
    with path.open("rb") as file:
        first = file.readline()
    delimiter = delimited.delimiter_of(first).replace(" ", ",")
    names = next((row for _, row in _csv_rows(path, delimiter, n_skipped=0)), [])
    return tuple(names), delimiter


def _csv_rows(path: pathlib.Path, delimiter: str, *, n_skipped: int) -> Iterator[tuple[int, list[str]]]:
    """(row number, cells) of every row that is not blank. Raises faults.DataFault."""
    csv.field_size_limit(_LONGEST_CELL)
    number = -n_skipped
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            for cells in csv.reader(file, delimiter=delimiter, strict=True):
                if cells:
                    number += 1
                    yield number, cells
        except UnicodeDecodeError as exc:
            raise faults.DataFault(f"{path.name} is not UTF-8 text near row {number + 1}") from exc
        except csv.Error as exc:
            raise faults.DataFault(f"{path.name} cannot be read in row {number + 1}: {exc}") from exc


def _csv(
    path: pathlib.Path,
    known: Sequence[str],
    wanted: Sequence[str],
    numeric: Sequence[str],
    *,
    has_header: bool,
) -> Any:
    """The wanted columns as a PyArrow table: numbers where all cells are numbers, texts otherwise."""
    import pyarrow as pa

    delimiter = _header(path)[1]
    types = {name: pa.float64() if name in numeric else pa.string() for name in wanted}
    try:
        return _csv_table(path, known, types, delimiter, has_header=has_header)
    except pa.ArrowInvalid:
        texts = dict.fromkeys(wanted, pa.string())
        try:
            return _csv_table(path, known, texts, delimiter, has_header=has_header)
        except pa.ArrowInvalid as exc:
            _find_odd_row(path, len(known), delimiter, n_skipped=int(has_header))
            raise faults.DataFault(f"{path.name} cannot be read: {exc}") from exc


def _csv_table(
    path: pathlib.Path, known: Sequence[str], types: Mapping[str, Any], delimiter: str, *, has_header: bool
) -> Any:
    from pyarrow import csv as arrow

    header_bytes = sum(len(name) + 3 for name in known)
    return arrow.read_csv(
        path,
        read_options=arrow.ReadOptions(
            column_names=list(known),
            skip_rows=int(has_header),
            block_size=max(_BLOCK_BYTES, min(1 << 30, 8 * header_bytes)),
        ),
        parse_options=arrow.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=arrow.ConvertOptions(
            include_columns=list(types),
            column_types=dict(types),
            strings_can_be_null=False,
            null_values=["", "NA", "na", "NaN", "nan", "NULL", "null", "None", "none"],
        ),
    )


def _find_odd_row(path: pathlib.Path, width: int, delimiter: str, *, n_skipped: int) -> None:
    """Raises faults.DataFault for the first row of another width."""
    for number, cells in _csv_rows(path, delimiter, n_skipped=n_skipped):
        if len(cells) != width:
            cells_in_words = "1 cell" if len(cells) == 1 else f"{len(cells):,} cells"
            raise faults.DataFault(
                f"{path.name} has {cells_in_words} in row {number}, and {width:,} columns are named"
            )


# --- Parquet and JSON lines ----------------------------------------------------------------------


def _parquet_schema(path: pathlib.Path) -> Any:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        return parquet.read_schema(path)
    except (pa.ArrowException, OSError) as exc:
        raise faults.DataFault(f"{path.name} is no readable Parquet file: {exc}") from exc


def _parquet(path: pathlib.Path, wanted: Sequence[str]) -> Any:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        return parquet.read_table(path, columns=list(wanted))
    except (pa.ArrowException, OSError) as exc:
        raise faults.DataFault(f"{path.name} is no readable Parquet file: {exc}") from exc


def _json_rows(path: pathlib.Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(row number, object) of every line that is not blank."""
    number = 0
    with path.open("rb") as file:
        for line in file:
            if not line.strip():
                continue
            number += 1
            try:
                found = json.loads(line)
            except (ValueError, RecursionError) as exc:
                raise faults.DataFault(f"{path.name} is no JSON in row {number}: {exc}") from exc
            if not isinstance(found, dict):
                raise faults.DataFault(
                    f'{path.name} has no object in row {number}; write {{"column": value, …}}'
                )
            yield number, found
    if not number:
        raise faults.DataFault(f"{path.name} has no rows")


def _json(path: pathlib.Path, wanted: Sequence[str]) -> dict[str, list[Any]]:
    table: dict[str, list[Any]] = {name: [] for name in wanted}
    for number, row in _json_rows(path):
        for name, column in table.items():
            if name not in row:
                raise faults.DataFault(f"{path.name} lacks the column {name!r} in row {number}")
            column.append(row[name])
    return table


# --- cells ---------------------------------------------------------------------------------------


def _listed(column: Any) -> list[Any]:
    return column if isinstance(column, list) else list(column.to_pylist())


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _numbers(path: pathlib.Path, name: str, column: Any) -> Floats:
    fast = None if isinstance(column, list) else _from_arrow(column)
    if fast is not None:
        return fast
    values = np.empty(len(column), dtype=np.float64)
    for number, value in zip(itertools.count(1), _listed(column), strict=False):
        found = _number(value)
        if found is None:
            raise faults.DataFault(
                f"{path.name} holds {_text(value)[:_SHOWN]!r} in row {number} of column {name!r}, which is not a number"
            )
        values[number - 1] = found
    return values


def _from_arrow(column: Any) -> Floats | None:
    """A column of numbers or truth values; None if it is neither."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_boolean(kind):
        column, kind = column.cast(pa.int8()), pa.int8()
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        return None
    converted: Floats = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return converted


def _number(value: Any) -> float | None:
    """The number that a cell means, NaN for a missing one, None for anything else."""
    if value is None:
        return math.nan
    if isinstance(value, int | float):
        return None if isinstance(value, int) and abs(value) > _LARGEST else float(value)
    if not isinstance(value, str):
        return None
    bare = value.strip().lower()
    if bare in _MISSING:
        return math.nan
    if bare in _TRUTH:
        return _TRUTH[bare]
    try:
        return None if "_" in bare else float(bare)
    except ValueError:
        return None
