"""Files that are there in full or not at all, and tables written to them part by part."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from glasskit.analyses import questions
from glasskit.charts import raster, shown

Columns = dict[str, npt.NDArray[Any] | Sequence[object]]

TABLES = (".csv", ".parquet")


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to. It becomes `path` at the end; when something is raised, it is removed."""
    if not path.parent.is_dir():
        raise questions.Unanswerable(f"there is no folder {path.parent} to write {path.name} to")
    if path.is_dir():
        raise questions.Unanswerable(f"{path} is a folder, and cannot be written as a file")
    with tempfile.NamedTemporaryFile(
        dir=path.parent, prefix=".partial-", suffix=path.suffix, delete=False
    ) as file:
        partial = Path(file.name)
    try:
        yield partial
        partial.chmod(0o644)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


class TableWriter:
    """Parts of a table, written to a CSV or Parquet file as they come."""

    def __init__(self, path: Path, kind: str) -> None:
        self._path = path
        self._kind = kind
        self._writer: Any = None

    def write(self, columns: Columns) -> None:
        """The next rows; every part has the same columns."""
        import pyarrow as pa

        part = pa.table({name: pa.array(values) for name, values in columns.items()})
        if self._writer is None:
            self._writer = self._opened(part.schema)
        self._writer.write_table(part)

    def close(self) -> None:
        """Nothing more comes."""
        if self._writer is not None:
            self._writer.close()

    def _opened(self, schema: Any) -> Any:
        if self._kind == ".parquet":
            from pyarrow import parquet

            return parquet.ParquetWriter(self._path, schema)
        from pyarrow import csv

        return csv.CSVWriter(str(self._path), schema)


@contextlib.contextmanager
def table(path: Path) -> Iterator[TableWriter]:
    """A writer of a .csv or .parquet file that is there in full or not at all."""
    with whole(path) as partial:
        writer = TableWriter(partial, path.suffix.lower())
        try:
            yield writer
        finally:
            writer.close()


def require_kinds(paths: Sequence[Path], kinds: Sequence[str]) -> None:
    """Raises Unanswerable for the first path whose ending is none of these."""
    for path in paths:
        if path.suffix.lower() not in kinds:
            raise questions.Unanswerable(f"{path.name} must end in one of {', '.join(kinds)}")


def require_others(paths: Sequence[Path], inputs: Sequence[Path | None]) -> None:
    """Raises Unanswerable where an output would overwrite an input."""
    read = {path.resolve() for path in inputs if path is not None}
    for path in paths:
        if path.resolve() in read:
            raise questions.Unanswerable(f"{path} is read, and cannot be written at once")


def numbered(first: int, n: int) -> npt.NDArray[np.int64]:
    """Row numbers first, first + 1, …"""
    return np.arange(first, first + n)


def draw(chart: shown.Shown, path: Path) -> None:
    """A chart in the format that the file's name ends in. Raises Unanswerable where it cannot be drawn here."""
    try:
        chart.save(path)
    except raster.CannotDraw as error:
        raise questions.Unanswerable(str(error)) from error
