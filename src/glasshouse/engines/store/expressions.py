"""Conditions as SQL. What the two databases spell differently is spelt here, so that both mean the same."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from glasshouse.engines.store.tables import RESOURCE
from glasshouse.kernel.records import Condition

_DOC = sa.type_coerce(RESOURCE.c.doc, sa.Text)


def column(dialect: str, field: str, *, in_doc: bool) -> Any:
    """What a query sorts by: a column, or the text at a document's path ("" where there is none)."""
    return sa.func.coalesce(text_at(dialect, field), "") if in_doc else RESOURCE.c[field]


def holds(dialect: str, condition: Condition) -> sa.ColumnElement[bool]:
    """Whether a row satisfies the condition. A path that leads nowhere satisfies none."""
    value = _plain(condition.value)
    left = _left(dialect, condition, value)
    match condition.operator:
        case "=":
            found = left == value
        case "in":
            found = left.in_(list(value))
        case "contains":
            found = _place(dialect, left, value) > 0
        case "starts":
            found = sa.func.substr(left, 1, len(value)) == value
        case ">":
            found = left > value
        case ">=":
            found = left >= value
        case "<":
            found = left < value
        case "<=":
            found = left <= value
    return sa.type_coerce(found, sa.Boolean)


def text_at(dialect: str, path: str) -> sa.ColumnElement[str]:
    """The text at a document's path: strings as they are, all else as JSON, NULL for null or nothing."""
    if dialect == "postgresql":
        found = sa.func.json_extract_path_text(_json(), *path.split("."))
        return sa.type_coerce(found, sa.Text).collate("C")
    place = _pointer(path)
    return sa.case(
        (_sqlite_type(place) == "text", sa.func.json_extract(_DOC, place)),
        (_sqlite_type(place) == "null", sa.null()),
        else_=_DOC.op("->")(place),
    )


def number_at(dialect: str, path: str) -> sa.ColumnElement[float]:
    """The number at a document's path, NULL where something else stands."""
    if dialect == "postgresql":
        parts = path.split(".")
        is_number = sa.func.json_typeof(sa.func.json_extract_path(_json(), *parts)) == "number"
        text = sa.func.json_extract_path_text(_json(), *parts)
        return sa.case((is_number, sa.cast(text, sa.Double)), else_=sa.null())
    place = _pointer(path)
    is_number = _sqlite_type(place).in_(("integer", "real"))
    return sa.case((is_number, sa.func.json_extract(_DOC, place)), else_=sa.null())


def _left(dialect: str, condition: Condition, value: Any) -> Any:
    if not condition.in_doc:
        return RESOURCE.c[condition.field]
    sample = next(iter(value), "") if isinstance(value, (list, tuple)) else value
    at = number_at if isinstance(sample, (int, float)) else text_at
    return at(dialect, condition.field)


def _plain(value: Any) -> Any:
    """Truth values compare as JSON writes them."""
    if isinstance(value, (list, tuple, set, frozenset)):
        return tuple(_plain(item) for item in value)
    return str(value).lower() if isinstance(value, bool) else value


def _place(dialect: str, left: Any, text: str) -> Any:
    """Where `text` begins, counted from 1, or 0. Case counts, unlike with LIKE on SQLite."""
    return (sa.func.strpos if dialect == "postgresql" else sa.func.instr)(left, text)


def _json() -> Any:
    return sa.type_coerce(RESOURCE.c.doc, sa.JSON)


def _pointer(path: str) -> str:
    return "$" + "".join(f'."{part}"' for part in path.split("."))


def _sqlite_type(place: str) -> Any:
    return sa.func.json_type(_DOC, place)
