"""Makes the model's tables out of the bank's, in SQL: flatten, fill, count, join, hold out, split.

Runs as a processing job. Reads the three tables (`input/datasets`) by their crawled schemas
(`input/schemas`) and writes, below `output`, one folder of JSON Lines each: `data_*`, `label_*`,
`protected_*` and `applicants_*` for `train` and `test`, whose rows correspond line by line, and `schemas`.
A person is in `train` or `test` by a hash of the seed and the person alone, so the side never changes when
others join, and nobody is on both.
"""

# ruff: noqa: S608 - every name put into SQL is quoted, and the database is the job's own, in memory

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

BASE = Path("/opt/ml/processing")
LABEL = "credit__default"
PROTECTED = ("personal__age", "personal__gender", "personal__relationship_status")
IDENTIFIERS = ("person_id", "credit_id")
DROPPED = ("employment__title", "personal__name")
ACCOUNTS = ("finance__accounts__checking__balance", "finance__accounts__savings__balance")
DRAFT = "http://json-schema.org/draft-04/schema#"
SPLITS = ("train", "test")
_JSON_TYPES = {"VARCHAR": "string", "BIGINT": "integer", "DOUBLE": "number", "BOOLEAN": "boolean"}
_SQL_TYPES = {name: sql for sql, name in _JSON_TYPES.items()}

Schema = dict[str, Any]


class BadTables(Exception):
    """The tables cannot be joined into applications."""


def main(base: Path = BASE, *, seed: int, train_share: float) -> None:
    """Reads the tables, writes the splits and their schemas."""
    if not 0 < train_share < 1:
        raise BadTables(f"the share of the training set must lie between 0 and 1, not {train_share}")
    with duckdb.connect() as database:
        database.execute("SET preserve_insertion_order = true; SET enable_progress_bar = false")
        for table in ("credits", "people", "contacts"):
            _load(database, base / "input", table)
        _check_references(database)
        _join(database, people=_schema(base / "input", "people"))
        _split(database, seed=seed, train_share=train_share)
        _export(database, base / "output")
        for split in SPLITS:
            rows, share = database.execute(
                f"SELECT count(*), avg({_quoted(LABEL)}::INT) FROM split WHERE side = ?", [split]
            ).fetchall()[0]
            print(f"{split}: {rows} applications, {100 * (share or 0):.1f} % in default", flush=True)


def _schema(source: Path, table: str) -> Schema:
    schema: Schema = json.loads((source / "schemas" / f"{table}.schema.json").read_text(encoding="utf-8"))
    return schema


def _load(database: duckdb.DuckDBPyConnection, source: Path, table: str) -> None:
    schema = _schema(source, table)
    files = sorted(str(path) for path in (source / "datasets" / table).rglob("*") if path.is_file())
    columns = ", ".join(
        f"'{_text(name)}': '{_text(_sql_type(item))}'" for name, item in schema["properties"].items()
    )
    if schema["x-format"] == "csv":
        reader = f"read_csv(?, header = true, auto_detect = false, delim = ',', quote = '\"', escape = '\"', columns = {{{columns}}})"
    else:
        reader = f"read_json(?, format = 'newline_delimited', columns = {{{columns}}})"
    database.execute(f"CREATE TABLE {table} AS SELECT * FROM {reader}", [files])


def _sql_type(schema: Schema) -> str:
    """The SQL type of a value of this JSON schema, nested ones included."""
    match schema["type"]:
        case "object":
            members = (f"{_quoted(name)} {_sql_type(item)}" for name, item in schema["properties"].items())
            return f"STRUCT({', '.join(members)})"
        case "array":
            return f"{_sql_type(schema['items'])}[]"
        case other:
            return _SQL_TYPES[other]


def _check_references(database: duckdb.DuckDBPyConnection) -> None:
    """Every credit and every contact belongs to a person, and a person is there once."""
    for question, complaint in (
        ("SELECT person_id FROM people GROUP BY 1 HAVING count(*) > 1", "people has the person {} twice"),
        (
            "SELECT person_id FROM credits ANTI JOIN people USING (person_id)",
            "credits names an unknown person {}",
        ),
        (
            "SELECT person_id FROM contacts ANTI JOIN people USING (person_id)",
            "contacts names an unknown person {}",
        ),
    ):
        found = database.execute(f"{question} ORDER BY 1 LIMIT 1").fetchone()
        if found is not None:
            raise BadTables(complaint.format(found[0]))


def leaves(schema: Schema, *path: str) -> Iterator[tuple[str, ...]]:
    """The paths to all values of a nested schema that are neither objects nor arrays."""
    for name, item in schema["properties"].items():
        if item["type"] == "object":
            yield from leaves(item, *path, name)
        elif item["type"] != "array":
            yield (*path, name)


def _join(database: duckdb.DuckDBPyConnection, *, people: Schema) -> None:
    """One row per credit: the person flattened (levels joined by `__`), dependents and telephones counted."""
    flat = {
        "__".join(path): ".".join(map(_quoted, path)) for path in leaves(people) if path != ("person_id",)
    }
    missing = [name for name in (*PROTECTED, *ACCOUNTS) if name not in flat]
    if missing:
        raise BadTables(f"no person has {', '.join(missing)}")
    for name in ACCOUNTS:
        flat[name] = f"coalesce({flat[name]}, 'no_account')"
    flattened = ", ".join(
        f"{value} AS {_quoted(name)}" for name, value in flat.items() if name not in DROPPED
    )
    database.execute(f"""
        CREATE VIEW flat_people AS SELECT person_id, {flattened} FROM people;
        CREATE VIEW dependents AS
            SELECT person_id, count(*) AS n FROM (SELECT person_id, unnest(dependents) FROM people) GROUP BY 1;
        CREATE VIEW telephones AS SELECT DISTINCT person_id FROM contacts WHERE type = 'telephone';
        CREATE VIEW flat_credits AS
            SELECT person_id, credit_id, {_prefixed_credit_columns(database)} FROM credits;
        CREATE TABLE application AS
            SELECT
                flat_credits.*,
                flat_people.* EXCLUDE (person_id),
                coalesce(dependents.n, 0) AS personal__num_dependents,
                telephones.person_id IS NOT NULL AS contact__has_telephone
            FROM flat_credits
            JOIN flat_people USING (person_id)
            LEFT JOIN dependents USING (person_id)
            LEFT JOIN telephones USING (person_id);
    """)


def _prefixed_credit_columns(database: duckdb.DuckDBPyConnection) -> str:
    names = [name for name in _columns(database, "credits") if name not in IDENTIFIERS]
    return ", ".join(f"{_quoted(name)} AS {_quoted(f'credit__{name}')}" for name in names)


def _split(database: duckdb.DuckDBPyConnection, *, seed: int, train_share: float) -> None:
    database.execute(
        """
        CREATE TABLE split AS SELECT *,
            CASE WHEN ('0x' || md5(concat(?::VARCHAR, '/', person_id))[:8])::BIGINT < ? * 4294967296
                THEN 'train' ELSE 'test' END AS side
        FROM application
        """,
        [seed, train_share],
    )


def _export(database: duckdb.DuckDBPyConnection, output: Path) -> None:
    types = _columns(database, "application")
    features = sorted(set(types) - {LABEL, *PROTECTED, *IDENTIFIERS})
    parts = {
        "data": features,
        "label": [LABEL],
        "protected": sorted(PROTECTED),
        "applicants": list(IDENTIFIERS),
    }
    for split in SPLITS:
        for part, names in parts.items():
            folder = output / f"{part}_{split}"
            folder.mkdir(parents=True, exist_ok=True)
            database.execute(
                f"COPY (SELECT {', '.join(map(_quoted, names))} FROM split WHERE side = '{split}' "
                f"ORDER BY person_id, credit_id) TO '{_text(str(folder / 'part-00000.jsonl'))}' (FORMAT json)"
            )
    (output / "schemas").mkdir(parents=True, exist_ok=True)
    for name, columns in (("data", features), ("label", [LABEL])):
        schema = _array_schema({column: _JSON_TYPES[types[column]] for column in columns})
        path = output / "schemas" / f"{name}.schema.json"
        path.write_text(json.dumps(schema, indent=2) + "\n", encoding="utf-8")


def _array_schema(columns: dict[str, str]) -> Schema:
    """A row as an array in the order of the columns, each with its title, type and description."""
    texts = json.loads(Path(__file__).with_name("columns.json").read_text(encoding="utf-8"))
    items = [
        {
            "title": name,
            "type": kind,
            "description": texts.get(name, {}).get("description", name),
            "x-label": texts.get(name, {}).get("title", name),
        }
        for name, kind in columns.items()
    ]
    return {
        "$schema": DRAFT,
        "type": "array",
        "items": items,
        "minItems": len(items),
        "maxItems": len(items),
        "additionalItems": False,
    }


def _columns(database: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    return {name: str(kind) for name, kind, *_ in database.execute(f"DESCRIBE {table}").fetchall()}


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return value.replace("'", "''")


if __name__ == "__main__":
    main(
        Path(sys.argv[1]) if len(sys.argv) > 1 else BASE,
        seed=int(os.environ.get("SPLIT_SEED", "42")),
        train_share=float(os.environ.get("TRAIN_SHARE", "0.8")),
    )
