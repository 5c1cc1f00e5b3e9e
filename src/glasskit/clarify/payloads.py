"""Rows -> the bodies of requests, as the model wants them: CSV lines, or JSON after a template."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from glasskit.clarify import config, faults

Row = Sequence[Any]
MOST_BYTES = 5 * 1024 * 1024
"""An endpoint takes 6 MiB; some room is left."""

MOST_RECORDS = 20_000
_QUOTED = re.compile('[",\r\n]|^\\s|\\s$')
_PLACE = re.compile(r'"?\$\{(?P<name>[^}]+)\}"?|\$(?P<word>features_kvp|feature_names|features)\b')


@dataclass(frozen=True, slots=True)
class Body:
    """One request: its bytes and how many records it holds."""

    content: bytes
    n_records: int


def bodies(rows: Sequence[Row], names: Sequence[str], predictor: config.Predictor) -> Iterator[Body]:
    """The requests of some rows, in their order, each of a size that an endpoint takes."""
    if predictor.content_type == "text/csv":
        yield from _packed(_csv(rows))
    elif predictor.content_type == "application/jsonlines":
        template = predictor.content_template
        yield from _packed([_filled(template, row, names) + "\n" for row in rows])
    else:
        yield from _json(rows, names, predictor)


def _json(rows: Sequence[Row], names: Sequence[str], predictor: config.Predictor) -> Iterator[Body]:
    records = [_filled(predictor.record_template, row, names) for row in rows]
    before, place, after = _around(predictor.content_template)
    if place == "$record":
        for record in records:
            yield Body((before + record + after).encode(), 1)
        return
    for part in _packed([f"{record}," for record in records]):
        yield Body(f"{before}[{part.content.decode().rstrip(',')}]{after}".encode(), part.n_records)


def _around(template: str) -> tuple[str, str, str]:
    for place in ("$records", "$record"):
        before, found, after = template.partition(place)
        if found:
            return before, place, after
    raise faults.BadConfig("predictor.content_template", "lacks $records or $record.")


def _packed(parts: Sequence[str]) -> Iterator[Body]:
    """Parts joined as long as they fit."""
    held: list[bytes] = []
    size = 0
    for part in parts:
        data = part.encode()
        if held and (size + len(data) > MOST_BYTES or len(held) >= MOST_RECORDS):
            yield Body(b"".join(held), len(held))
            held, size = [], 0
        held.append(data)
        size += len(data)
    if held:
        yield Body(b"".join(held), len(held))


def _csv(rows: Sequence[Row]) -> list[str]:
    """Lines. The rows of an explanation repeat a few numbers very often, so each is written once and looked up."""
    known = _Numbers()
    if rows and len(rows[0]) == 1:  # a line without anything on it would be passed over
        return [(_cell(row[0]) or '""') + "\n" for row in rows]
    return [
        ",".join([known[cell] if type(cell) is float else _cell(cell) for cell in row]) + "\n" for row in rows
    ]


class _Numbers(dict[float, str]):
    """Numbers -> their shortest text that reads as the same number."""

    def __missing__(self, number: float) -> str:
        self[number] = repr(number)
        return self[number]


def _cell(value: Any) -> str:
    """The text of a cell, in quotation marks where it needs them."""
    if value is None:
        return ""
    text = str(value)
    return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text


def _filled(template: str, row: Row, names: Sequence[str]) -> str:
    """The template with the row's values as JSON."""

    def value(found: re.Match[str]) -> str:
        name, word = found["name"], found["word"]
        if word == "features":
            return json.dumps([_json_value(one) for one in row])
        if word == "feature_names":
            return json.dumps(list(names))
        if word == "features_kvp":
            return json.dumps({name: _json_value(one) for name, one in zip(names, row, strict=True)})
        if name not in names:
            raise faults.BadConfig(
                "predictor.record_template", f"names the feature {name!r}; there are {', '.join(names)}."
            )
        return json.dumps(_json_value(row[list(names).index(name)]))

    return _PLACE.sub(value, template)


def _json_value(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.item() if hasattr(value, "item") else value
