"""Crawls folders of tables, tells each table's format and infers its schema.

Runs as a processing job: every folder below `input/datasets` is one table (CSV with a header, or JSON
Lines); for each, `output/<table>.schema.json` gets a JSON schema of one row. A CSV field that is quoted in
every row is text, whatever its content looks like, so an all-text table keeps its identifiers.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

BASE = Path("/opt/ml/processing")
DRAFT = "http://json-schema.org/draft-04/schema#"
_FIELD = re.compile(r'("(?:[^"]|"")*"|[^",\r\n]*)(,|\r?\n|\Z)')
_BOOLEANS = {"true", "false"}
_INTEGER = re.compile(r"[+-]?\d{1,18}")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")

Schema = dict[str, Any]


class UnreadableTable(Exception):
    """A folder holds no table that can be crawled."""


def main(base: Path = BASE) -> None:
    """Crawls every table and writes the schemas."""
    tables = sorted(folder for folder in (base / "input/datasets").iterdir() if folder.is_dir())
    if not tables:
        raise UnreadableTable(f"there is no table below {base / 'input/datasets'}")
    output = base / "output"
    output.mkdir(parents=True, exist_ok=True)
    for folder in tables:
        schema = crawl(folder)
        (output / f"{folder.name}.schema.json").write_text(
            json.dumps(schema, indent=2) + "\n", encoding="utf-8"
        )
        fields = ", ".join(f"{name} {item['type']}" for name, item in schema["properties"].items())
        print(f"{folder.name}: {schema['x-format']}, {schema['x-rows']} rows: {fields}", flush=True)


def crawl(folder: Path) -> Schema:
    """The schema of one row of the table in this folder (all its files together)."""
    text = "".join(_text(path) for path in sorted(folder.rglob("*")) if path.is_file())
    if not text.strip():
        raise UnreadableTable(f"the table {folder.name} is empty")
    if text.lstrip().startswith("{"):
        rows = [json.loads(line) for line in text.splitlines() if line.strip()]
        row, table_format, n_rows = _of_values(rows), "jsonl", len(rows)
    else:
        row, n_rows = _of_csv(text, table=folder.name)
        table_format = "csv"
    return {"$schema": DRAFT, "title": folder.name, **row, "x-format": table_format, "x-rows": n_rows}


def _text(path: Path) -> str:
    content = path.read_bytes().decode("utf-8")
    return content if content.endswith("\n") else content + "\n"


def _of_values(values: list[Any]) -> Schema:
    """The narrowest schema that all JSON values satisfy; absent and null values only make it optional."""
    kinds = {_kind(value) for value in values if value is not None}
    if kinds == {"integer", "number"}:
        kinds = {"number"}
    if len(kinds) != 1:
        return {"type": "string"}
    (kind,) = kinds
    if kind == "object":
        names = dict.fromkeys(name for value in values if value is not None for name in value)
        members = {name: [value.get(name) for value in values if value is not None] for name in names}
        required = [name for name, found in members.items() if all(value is not None for value in found)]
        return {
            "type": "object",
            "properties": {name: _of_values(found) for name, found in members.items()},
            **({"required": required} if required else {}),
        }
    if kind == "array":
        return {"type": "array", "items": _of_values([item for value in values for item in value or ()])}
    return {"type": kind}


def _kind(value: Any) -> str:
    match value:
        case bool():
            return "boolean"
        case int():
            return "integer"
        case float():
            return "number"
        case dict():
            return "object"
        case list():
            return "array"
        case _:
            return "string"


def _of_csv(text: str, *, table: str) -> tuple[Schema, int]:
    rows = csv_rows(text)
    header = [_bare(field) for field in next(rows)]
    columns: list[list[str]] = [[] for _ in header]
    n_rows = 0
    for n_rows, row in enumerate(rows, 1):
        if len(row) != len(header):
            raise UnreadableTable(f"row {n_rows} of {table} has {len(row)} fields, the header {len(header)}")
        for column, field in zip(columns, row, strict=True):
            column.append(field)
    properties = {name: {"type": _of_texts(column)} for name, column in zip(header, columns, strict=True)}
    required = [name for name, column in zip(header, columns, strict=True) if all(column)]
    return {"type": "object", "properties": properties, "required": required}, n_rows


def csv_rows(text: str) -> Iterator[list[str]]:
    """The rows of a CSV text; a quoted field keeps its quotes, so that text can be told from numbers."""
    row: list[str] = []
    at = 0
    while at < len(text):
        found = _FIELD.match(text, at)
        if found is None:
            raise UnreadableTable(f"a quote is out of place near {text[at : at + 40]!r}")
        row.append(found.group(1))
        at = found.end()
        if found.group(2) != ",":
            yield row
            row = []


def _bare(field: str) -> str:
    return field[1:-1].replace('""', '"') if field.startswith('"') else field


def _of_texts(fields: Iterable[str]) -> str:
    present = [field for field in fields if field]
    if not present or any(field.startswith('"') for field in present):
        return "string"
    if all(field.lower() in _BOOLEANS for field in present):
        return "boolean"
    if all(_INTEGER.fullmatch(field) for field in present):
        return "integer"
    return "number" if all(_NUMBER.fullmatch(field) for field in present) else "string"


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else BASE)
