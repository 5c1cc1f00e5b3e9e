"""Records as values: CSV rows are lists of their fields as written, JSON records are what they say."""

from __future__ import annotations

import csv
import io
import json
from typing import Any, Literal

Format = Literal["csv", "json", "other"]


class BadRecord(ValueError):
    """The record is not in the format that its content type names."""


def format_of(content_type: str) -> Format:
    """The format behind a content type, its parameters left aside."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind in ("text/csv", "csv"):
        return "csv"
    if kind in ("application/json", "application/jsonlines", "json", "jsonlines"):
        return "json"
    return "other"


def parse(record: bytes, form: Format) -> Any:
    """Raises BadRecord."""
    try:
        text = record.decode()
        if form == "csv":
            return _row(text)
        if form == "json":
            return json.loads(text)
    except ValueError as error:
        raise BadRecord(f"the record is not {form}: {error}") from error
    raise BadRecord("filters and joins need CSV or JSON records; set the content type")


def written(value: Any, form: Format) -> bytes:
    """The value as a line without its end."""
    if form == "csv":
        fields = value if isinstance(value, list) else [value]
        if any(isinstance(field, (list, dict)) for field in fields):
            raise BadRecord("a CSV record cannot hold nested values")
        buffer = io.StringIO()
        csv.writer(buffer, lineterminator="").writerow(fields)
        return buffer.getvalue().encode()
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def joined(given: Any, answered: Any, form: Format) -> Any:
    """Input and output as one record. Source: developer guide, JoinSource."""
    if form == "csv":
        more = answered if isinstance(answered, list) else [answered]
        return [*given, *more]
    if isinstance(given, dict):
        return {**given, "SageMakerOutput": answered}
    return {"SageMakerInput": given, "SageMakerOutput": answered}


def _row(text: str) -> list[str]:
    rows = list(csv.reader(io.StringIO(text)))
    if len(rows) > 1:
        raise ValueError("more than one row")
    return rows[0] if rows else []
