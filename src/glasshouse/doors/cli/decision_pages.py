"""Recorded decisions as lines of text: a table of many, a page of one."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]

_NANO = 1_000_000_000
_TIMES = ("at", "ground_truth_at")
_WIDEST = 44
_TABLE = {
    "at": "time (UTC)",
    "decision_id": "decision",
    "endpoint": "endpoint",
    "outcome": "outcome",
    "prediction": "prediction",
    "subject": "subject",
    "ground_truth": "ground truth",
}
_FACTS = {
    "at": "time (UTC)",
    "endpoint": "endpoint",
    "variant": "variant",
    "model": "model",
    "model_digest": "model digest",
    "environment": "environment",
    "bundle": "rule and trees",
    "caller": "asked by",
    "subject": "subject",
    "inference_id": "inference id",
    "outcome": "outcome",
    "prediction": "prediction",
    "threshold": "threshold",
    "seq": "record",
}


def table(rows: Sequence[Row]) -> Iterator[str]:
    """A heading and a line for each row; columns that no row fills are left out."""
    columns = [name for name in _TABLE if any(row.get(name) is not None for row in rows)]
    lines = [[_TABLE[name] for name in columns], *([_cell(row, name) for name in columns] for row in rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(columns))]
    if not rows:
        return
    for line in lines:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()


def page(row: Row, truths: Sequence[Mapping[str, Any]], *, n_shown: int) -> Iterator[str]:
    """Facts, reasons, what moved the prediction most, what turned out to be true, and how to check it."""
    yield f"Decision {row['decision_id']}"
    yield ""
    for name, title in _FACTS.items():
        if row.get(name) not in (None, ""):
            yield f"  {title.ljust(14)}  {_told(name, row[name])}"
    if row["is_erased"]:
        yield "  The subject was erased: everything personal of this decision cannot be read any more."
    yield from _reasons(row)
    yield from _moved(row, n_shown)
    if truths:
        yield ""
    for truth in truths:
        yield f"  {'ground truth'.ljust(14)}  {json.dumps(truth['label'])}  ({_time(truth['at'])}, by {truth['by']})"
    yield ""
    yield f"Take it again: glasshouse replay {row['decision_id']}"


def spoken(row: Row) -> dict[str, Any]:
    """JSON-ready: times in ISO 8601, UTC; numbers that JSON does not know as texts."""
    return {name: _json(name, value) for name, value in row.items() if value is not None}


def _reasons(row: Row) -> Iterator[str]:
    reasons = json.loads(row["reasons"]) if row.get("reasons") else []
    if reasons:
        yield ""
        yield "  Reasons"
    for rank, one in enumerate(reasons, start=1):
        told = one if isinstance(one, dict) else {"text": one}
        code = f" ({told['code']})" if told.get("code") else ""
        yield f"    {rank}. {told.get('text', '')}{code}"


def _moved(row: Row, n_shown: int) -> Iterator[str]:
    found = {
        name.removeprefix("shap."): value
        for name, value in row.items()
        if name.startswith("shap.") and isinstance(value, int | float)
    }
    ranked = sorted(found, key=lambda name: -abs(found[name]))
    if not ranked:
        return
    yield ""
    yield "  What moved it most (contribution to the margin)"
    labels = {name: f"{name} = {_plain(row.get(f'feature.{name}', ''))}" for name in ranked[:n_shown]}
    width = max(map(len, labels.values()), default=0)
    for name, label in labels.items():
        yield f"    {label.ljust(width)}  {found[name]:+.4f}"
    if len(ranked) > n_shown:
        yield f"    and {len(ranked) - n_shown} more"


def _cell(row: Row, name: str) -> str:
    value = row.get(name)
    if value is None:
        return "(erased)" if row["is_erased"] and name in ("outcome", "subject") else ""
    text = _told(name, value)
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"


def _told(name: str, value: Any) -> str:
    return _time(value) if name in _TIMES else _plain(value)


def _plain(value: Any) -> str:
    """Numbers in six digits; control characters, which a caller may have sent, as escapes."""
    if isinstance(value, float):
        return f"{value:.6g}"
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in str(value))


def _time(nanoseconds: int) -> str:
    return f"{dt.datetime.fromtimestamp(nanoseconds // _NANO, dt.UTC):%Y-%m-%d %H:%M:%S}"


def _json(name: str, value: Any) -> Any:
    if name in _TIMES:
        return dt.datetime.fromtimestamp(value / _NANO, dt.UTC).isoformat()
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return repr(value)
    return value
