"""Records of requests and baselines as cells, and cells as the records of a synthetic request."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import numpy as np
import numpy.typing as npt

from glasskit.clarify import online_rows
from glasskit.clarify.online_settings import FEATURES, Form, Settings

Cells = npt.NDArray[np.object_]
"""(n, F): the texts of a CSV, the values of JSON."""

Floats = npt.NDArray[np.float64]
_MISSING = frozenset({"", "nan", "na", "null", "none"})


def read(body: bytes, form: Form, settings: Settings, *, what: str) -> Cells:
    """The features of every record. Raises online_rows.BadRecords, which calls them `what`."""
    rows = online_rows.read(body, form, settings, what=what)
    cells = np.empty((len(rows), len(rows[0])), dtype=object)
    cells[:] = rows
    return cells


def written(cells: Cells, form: Form, template: str) -> bytes:
    """The cells as records of a request."""
    if form == "csv":
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="\n").writerows(cells.tolist())
        return buffer.getvalue().encode()
    if not template:
        return b"".join(json.dumps(row).encode() + b"\n" for row in cells.tolist())
    return b"".join(template.replace(FEATURES, json.dumps(row)).encode() + b"\n" for row in cells.tolist())


def numbers(cells: Cells) -> Floats | None:
    """The cells as float64, NaN for missing ones; None where one of them is no number."""
    try:
        return np.array([[_number(cell) for cell in row] for row in cells.tolist()], dtype=np.float64)
    except (ValueError, TypeError):
        return None


def _number(cell: Any) -> float:
    if isinstance(cell, str) and cell.strip().lower() in _MISSING:
        return float("nan")
    return float("nan") if cell is None else float(cell)
