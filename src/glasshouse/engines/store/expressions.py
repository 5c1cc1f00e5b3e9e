"""Conditions as SQL. What the two databases spell differently is spelt here, so that both mean the same."""

from __future__ import annotations

import sys
from typing import Any

import sqlalchemy as sa

from glasshouse.kernel.records import Condition


def column(dialect: str, columns: Any, field: str, *, in_doc: bool) -> Any:
    """What a query sorts by: a column, or the text at a document's path ("" where there is none)."""
    return sa.func.coalesce(text_at(dialect, columns.doc, field), "") if in_doc else columns[field]


def holds(dialect: str, columns: Any, condition: Condition) -> sa.ColumnElement[bool]:
    """Whether a row satisfies the condition. A path that leads nowhere satisfies none."""
    value = _plain(condition.value)
    left = _left(dialect, columns, condition, value)
    match condition.operator:
        case "=":
            found = left == value
        case "in":
            found = left.in_(list(value))
        case "contains":
            found = _place(dialect, left, value) > 0
        case "starts":
            found = _starts(left, value, is_column=not condition.in_doc)
        case ">":
            found = left > value
        case ">=":
            found = left >= value
        case "<":
            found = left < value
        case "<=":
            found = left <= value
    return sa.type_coerce(found, sa.Boolean)


def text_at(dialect: str, doc: Any, path: str) -> sa.ColumnElement[str]:
    """The text at a document's path: strings as they are, all else as JSON, NULL for null or nothing."""
    if dialect == "postgresql":
        found = sa.func.json_extract_path_text(_json(doc), *path.split("."))
        return sa.type_coerce(found, sa.Text).collate("C")
    text, place = sa.type_coerce(doc, sa.Text), _pointer(path)
    value, kind = sa.func.json_extract(text, place), sa.func.json_type(text, place)
    return sa.case(
        (kind == "text", value),
        (kind == "true", "true"),
        (kind == "false", "false"),
        else_=sa.cast(value, sa.Text),
    )


def number_at(dialect: str, doc: Any, path: str) -> sa.ColumnElement[float]:
    """The number at a document's path, NULL where something else stands."""
    if dialect == "postgresql":
        parts = path.split(".")
        is_number = sa.func.json_typeof(sa.func.json_extract_path(_json(doc), *parts)) == "number"
        text = sa.func.json_extract_path_text(_json(doc), *parts)
        return sa.case((is_number, sa.cast(text, sa.Double)), else_=sa.null())
    document, place = sa.type_coerce(doc, sa.Text), _pointer(path)
    is_number = sa.func.json_type(document, place).in_(("integer", "real"))
    return sa.case((is_number, sa.func.json_extract(document, place)), else_=sa.null())


def _left(dialect: str, columns: Any, condition: Condition, value: Any) -> Any:
    if not condition.in_doc:
        return columns[condition.field]
    sample = next(iter(value), "") if isinstance(value, (list, tuple)) else value
    at = number_at if isinstance(sample, (int, float)) else text_at
    return at(dialect, columns.doc, condition.field)


def _plain(value: Any) -> Any:
    """Truth values compare as JSON writes them."""
    if isinstance(value, (list, tuple, set, frozenset)):
        return tuple(_plain(item) for item in value)
    return str(value).lower() if isinstance(value, bool) else value


def _starts(left: Any, text: str, *, is_column: bool) -> Any:
    """For a column as a range, which an index serves."""
    if not is_column:
        return sa.func.substr(left, 1, len(text)) == text
    end = successor(text)
    return sa.and_(left >= text, left < end) if end else left >= text


def successor(text: str) -> str:
    """The first text, byte by byte, that comes after all that start like this one; empty when there is none."""
    for place in range(len(text) - 1, -1, -1):
        code = ord(text[place]) + 1
        if code <= sys.maxunicode:
            return text[:place] + chr(0xE000 if 0xD800 <= code <= 0xDFFF else code)
    return ""


def _place(dialect: str, left: Any, text: str) -> Any:
    """Where `text` begins, counted from 1, or 0. Case counts, unlike with LIKE on SQLite."""
    return (sa.func.strpos if dialect == "postgresql" else sa.func.instr)(left, text)


def _json(doc: Any) -> Any:
    return sa.type_coerce(doc, sa.JSON)


def _pointer(path: str) -> str:
    return "$" + "".join(f'."{part}"' for part in path.split("."))
