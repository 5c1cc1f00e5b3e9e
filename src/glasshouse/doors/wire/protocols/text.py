"""Scalars that travel as text, in forms, URLs and headers: there is no type but the model's."""

from __future__ import annotations

import datetime as dt
import email.utils
import re
from typing import Any

import botocore.model

_INTEGER = re.compile(r"[+-]?\d{1,20}")
_FLOAT = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?")
_SECONDS = re.compile(r"\d{1,12}(\.\d{1,9})?")


def parsed(shape: botocore.model.Shape, text: str) -> Any:
    """The value for the shape; text that is not of its type is returned as it is, for validation to refuse."""
    kind = shape.type_name
    if kind == "boolean":
        return {"true": True, "false": False}.get(text.lower(), text)
    if kind in ("integer", "long") and _INTEGER.fullmatch(text):
        return int(text)
    if kind in ("float", "double") and _FLOAT.fullmatch(text):
        return float(text)
    if kind == "timestamp" and _SECONDS.fullmatch(text):
        return float(text)
    return text


def written(shape: botocore.model.Shape, value: Any, *, timestamps: str) -> str:
    """The text for a value from kernel.model.write; `timestamps` is iso8601, rfc822 or unixTimestamp."""
    if shape.type_name == "boolean":
        return "true" if value else "false"
    if shape.type_name == "timestamp":
        return _instant(value, shape.serialization.get("timestampFormat", timestamps))
    return str(value)


def _instant(seconds: float, form: str) -> str:
    instant = dt.datetime.fromtimestamp(seconds, dt.UTC)
    if form == "unixTimestamp":
        return str(int(seconds))
    if form == "rfc822":
        return email.utils.format_datetime(instant, usegmt=True)
    precision = "auto" if instant.microsecond % 1000 else "milliseconds" if instant.microsecond else "seconds"
    return instant.isoformat(timespec=precision).replace("+00:00", "Z")
