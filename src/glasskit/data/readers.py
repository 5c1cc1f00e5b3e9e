"""Reads a file, a folder of files or a request body into a table, by its content type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from glasskit.data import content_types, faults, tables


def data_files(path: Path) -> list[Path]:
    """The files under `path` in name order; hidden ones and those starting with `_` are not data."""
    if path.is_file():
        return [path]
    found = (file for file in path.rglob("*") if file.is_file())
    return sorted(file for file in found if not any(part[0] in "._" for part in file.relative_to(path).parts))


def read(path: Path, content_type: str, *, has_weights: bool = False) -> tables.Table:
    """All files of a training channel as one table, label first.

    Raises faults.UnsupportedType, faults.Unreadable, and faults.DataFault for a folder without files.
    """
    name, parameters = content_types.expect(content_type, content_types.TABULAR)
    columns = columns_of(content_type, parameters, has_weights=has_weights)
    files = data_files(path)
    if not files:
        raise faults.DataFault(f"No data in channel path {path}")
    load = _reader(name)
    parts = [load(file.read_bytes(), file.name, columns) for file in files if file.stat().st_size]
    if not parts:
        raise faults.DataFault(f"No data in channel path {path}")
    return tables.join(parts)


def columns_of(content_type: str, parameters: Mapping[str, str], *, has_weights: bool) -> tables.Columns:
    """The row layout that the parameters of a content type ask for: `label_size` is 0 or 1."""
    size = parameters.get("label_size", "1")
    if size not in ("0", "1"):
        raise faults.DataFault(
            f"{content_type} is not an accepted csv ContentType. Optional parameter label_size must be 0 or 1"
        )
    return tables.Columns(n_labels=int(size), has_weights=has_weights)


def parse(body: bytes, content_type: str, *, columns: tables.Columns | None = None) -> tables.Table:
    """A request body as a table; without `columns` a row is features only."""
    name, _ = content_types.expect(content_type, content_types.TABULAR)
    return _reader(name)(body, "the request", columns or tables.Columns(n_labels=0))


def _reader(name: content_types.Format) -> Callable[[bytes, str, tables.Columns], tables.Table]:
    """The reader of a format; its libraries are loaded only now."""
    if name == "csv":
        from glasskit.data import delimited

        return delimited.read
    if name == "libsvm":
        from glasskit.data import libsvm

        return libsvm.read
    if name == "parquet":
        from glasskit.data import parquet

        return parquet.read
    from glasskit.data import recordio

    return recordio.read
