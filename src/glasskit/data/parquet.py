"""Parquet files of numeric columns, in the order label, weight, features."""

from __future__ import annotations

import io

import numpy as np

from glasskit.data import delimited, faults, tables


def read(body: bytes, where: str, columns: tables.Columns) -> tables.Table:
    """Every column as float64; booleans are 0 and 1, nulls are missing. Raises faults.Unreadable."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = parquet.read_table(io.BytesIO(body))
    except pa.ArrowException as exc:
        raise faults.Unreadable(where, "parquet", str(exc)) from exc
    arrays = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        kind = column.type
        numeric = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)
        if not numeric and not pa.types.is_boolean(kind):
            raise faults.Unreadable(where, "parquet", f"column {name} is {kind}, which is not a number")
        if pa.types.is_boolean(kind):
            column = column.cast(pa.int8())
        arrays.append(column.cast(pa.float64()).to_numpy(zero_copy_only=False))
    if not arrays or not table.num_rows:
        raise faults.Unreadable(where, "parquet", "there are no rows")
    return delimited.split(np.column_stack(arrays), where, columns)
