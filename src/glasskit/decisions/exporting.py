"""Recorded decisions as a table: one row a decision, its features and SHAP values by name.

A record is a mapping: `id`, `seq`, `at` (nanoseconds since the epoch, UTC), `public`, `private` (None when it was erased) and
`truths`, what turned out to be true, the oldest first: mappings of `at`, `label` and `by`.
"""

from __future__ import annotations

import contextlib
import csv
import datetime
import functools
import itertools
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from glasskit.analyses import outputs
from glasskit.decisions import bundles

Record = Mapping[str, Any]
Row = dict[str, Any]
Names = Callable[[str], Sequence[str]]
"""The digest of a bundle -> the names of its features."""

KINDS = (".parquet", ".csv", ".jsonl")
NANO = 1_000_000_000
_TIMES = ("at", "ground_truth_at")
_PUBLIC = (
    *("account", "region", "endpoint", "variant", "model", "model_digest", "environment", "bundle"),
    *("caller", "request"),
)
_HEAD = (
    *("decision_id", "seq", "at", *_PUBLIC, "is_erased", "subject", "inference_id", "on"),
    *("outcome", "prediction", "margin", "threshold", "reasons", "reason_codes"),
    *("ground_truth", "ground_truth_at", "n_ground_truths", "base_value"),
)
_GROUPS = ("feature.", "shap.", "input", "answer")
_AT_ONCE = 1000


class CannotExport(ValueError):
    """The file cannot be written so, or the ledger lacks what the table needs; the text says which."""


def names_of(folder: Path) -> Names:
    """The names of features, by the bundles in the folder."""

    @functools.cache
    def names(digest: str) -> Sequence[str]:
        try:
            return bundles.from_bytes((folder / digest).read_bytes(), expected=digest).ensemble.feature_names
        except OSError as error:
            raise CannotExport(f"the model {digest} is not in the ledger: {error.strerror}") from error
        except bundles.BundleUnreadable as error:
            raise CannotExport(f"the model {digest} is refused: {error}") from error

    return names


def row(record: Record, names: Names) -> Row:
    """One decision: texts, numbers, truth values and None alone. Raises CannotExport."""
    public, private, truths = record["public"], record["private"], record["truths"]
    found: Row = {
        "decision_id": record["id"],
        "seq": record["seq"],
        "at": record["at"],
        **{name: public[name] for name in _PUBLIC},
        "is_erased": private is None,
    }
    if private is None:
        return found
    found |= {name: private.get(name) or None for name in ("subject", "inference_id", "on", "outcome")}
    found |= (
        _asked_and_answered(private) if "answer" in private else _decided(private, names(public["bundle"]))
    )
    found["input"] = private["input"]
    if truths:
        found |= {"ground_truth_at": truths[-1]["at"], "n_ground_truths": len(truths)}
        found |= _flat("ground_truth", truths[-1]["label"])
    return found


def export(records: Callable[[], Iterable[Record]], path: Path, names: Names) -> tuple[int, int]:
    """Writes a .parquet, .csv or .jsonl file, in full or not at all; the numbers of its rows and columns.

    records: called twice, and gives the same decisions both times: first for the columns, then for the rows.
    NaN is null in JSON, and an infinite number a text. Raises CannotExport, OSError.
    """
    kind = path.suffix.lower()
    if kind not in KINDS:
        raise CannotExport(f"{path.name} must end in one of {', '.join(KINDS)}")
    kinds: dict[str, type] = {}
    for record in records():
        for name, value in row(record, names).items():
            kinds[name] = _joined(kinds.get(name), value)
    if not kinds:
        raise CannotExport("no decision fits, so there is nothing to write")
    columns = {name: kinds[name] for name in sorted(kinds, key=_place)}
    n_rows = 0
    with outputs.whole(path) as partial, _WRITERS[kind](partial, columns) as writer:
        rows = (row(record, names) for record in records())
        while part := list(itertools.islice(rows, _AT_ONCE)):
            writer.write([{name: _as(one.get(name), kind) for name, kind in columns.items()} for one in part])
            n_rows += len(part)
    return n_rows, len(columns)


def moment(nanoseconds: int) -> str:
    """A time in ISO 8601, UTC."""
    found = datetime.datetime.fromtimestamp(nanoseconds // NANO, datetime.UTC)
    return f"{found:%Y-%m-%dT%H:%M:%S}.{nanoseconds % NANO // 1000:06d}Z"


def _decided(private: Mapping[str, Any], names: Sequence[str]) -> Row:
    """A decision whose trees were read."""
    explanation = private["explanation"]
    found: Row = {"threshold": private["threshold"], **_reasons(private["reasons"])}
    for name in ("prediction", "margin"):
        found |= _flat(name, private[name])
    found |= _flat("base_value", explanation["base"])
    for name, value, contribution in zip(names, private["features"], explanation["values"], strict=True):
        found |= {f"feature.{name}": value, **_flat(f"shap.{name}", contribution)}
    return found


def _asked_and_answered(private: Mapping[str, Any]) -> Row:
    """One of which only question and answer are known. What is known by name in an answer stands under its own name."""
    found: Row = {"answer": private["answer"]}
    asked, said = _document(private["input"]), _document(private["answer"])
    found |= {f"input.{name}": value for name, value in asked.items() if _is_plain(value)}
    explanation, decision = _mapping(said, "explanation"), _mapping(said, "decision")
    found |= {f"feature.{name}": value for name, value in _mapping(said, "features").items()}
    found |= {f"shap.{name}": value for name, value in _mapping(explanation, "shap_values").items()}
    found |= _reasons(decision.get("reasons", said.get("reasons", [])))
    for column, holder, name in (
        ("prediction", said, "prediction"),
        ("base_value", explanation, "expected_value"),
    ):
        if name in holder:
            found |= _flat(column, holder[name])
    own = {"prediction", "outcome"} & set(found)
    found |= {f"answer.{name}": value for name, value in said.items() if _is_plain(value) and name not in own}
    return {name: value if _is_plain(value) else json.dumps(value) for name, value in found.items()}


def _reasons(given: Any) -> Row:
    if not isinstance(given, list) or not given:
        return {}
    codes = [str(one["code"]) for one in given if isinstance(one, Mapping) and "code" in one]
    return {"reasons": json.dumps(given, ensure_ascii=False), "reason_codes": " ".join(codes) or None}


def _flat(name: str, value: Any) -> Row:
    """A value under its name; members of a list or an object under names of their own."""
    if isinstance(value, Mapping):
        return {inner: one for key in value for inner, one in _flat(f"{name}.{key}", value[key]).items()}
    if isinstance(value, list):
        return {
            inner: one for at, each in enumerate(value) for inner, one in _flat(f"{name}.{at}", each).items()
        }
    return {name: value}


def _document(text: str) -> dict[str, Any]:
    """A JSON object; empty for anything else."""
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _mapping(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = document.get(name)
    return found if isinstance(found, Mapping) else {}


def _is_plain(value: object) -> bool:
    return value is None or isinstance(value, str | bool | int | float)


def _joined(known: type | None, value: object) -> type:
    """The kind of a column that has these values too: whole numbers become floats, anything else that differs texts."""
    if value is None:
        return known or type(None)
    kind = type(value)
    if type(value) is int and not -(2**63) <= value < 2**63:
        kind = float
    if known in (None, type(None), kind):
        return kind
    return float if {known, kind} == {int, float} else str


def _as(value: Any, kind: type) -> Any:
    """A value as its column holds it."""
    if value is None or isinstance(value, kind):
        return value
    return float(value) if kind is float else value if isinstance(value, str) else json.dumps(value)


def _place(name: str) -> tuple[int, int]:
    if name in _HEAD:
        return 0, _HEAD.index(name)
    group = next((at for at, prefix in enumerate(_GROUPS, start=2) if name.startswith(prefix)), 1)
    return group, 0


class _Writer(Protocol):
    def write(self, rows: Sequence[Row]) -> None:
        """The next rows, each with every column."""


class _Lines:
    """JSON, a decision a line."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, rows: Sequence[Row]) -> None:
        for one in rows:
            told = {name: _spoken(name, value) for name, value in one.items() if value is not None}
            self._file.write(json.dumps(told, ensure_ascii=False, allow_nan=False) + "\n")


class _Cells:
    """CSV, as RFC 4180 has it; an empty cell for what is not known."""

    def __init__(self, file: Any, columns: Sequence[str]) -> None:
        self._writer = csv.DictWriter(file, columns)
        self._writer.writeheader()

    def write(self, rows: Sequence[Row]) -> None:
        self._writer.writerows({name: _cell(name, value) for name, value in one.items()} for one in rows)


class _Groups:
    """Parquet."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def write(self, rows: Sequence[Row]) -> None:
        import pyarrow as pa

        self._writer.write_table(pa.Table.from_pylist(list(rows), schema=self._writer.schema))


@contextlib.contextmanager
def _lines(path: Path, _columns: Mapping[str, type]) -> Iterator[_Writer]:
    with path.open("w", encoding="utf-8") as file:
        yield _Lines(file)


@contextlib.contextmanager
def _cells(path: Path, columns: Mapping[str, type]) -> Iterator[_Writer]:
    with path.open("w", encoding="utf-8", newline="") as file:
        yield _Cells(file, list(columns))


@contextlib.contextmanager
def _groups(path: Path, columns: Mapping[str, type]) -> Iterator[_Writer]:
    import pyarrow as pa
    from pyarrow import parquet

    known = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string(), type(None): pa.null()}
    fields = [
        (name, pa.timestamp("ns", tz="UTC") if name in _TIMES else known[kind])
        for name, kind in columns.items()
    ]
    with parquet.ParquetWriter(path, pa.schema(fields)) as writer:
        yield _Groups(writer)


_WRITERS: Mapping[str, Callable[[Path, Mapping[str, type]], contextlib.AbstractContextManager[_Writer]]] = {
    ".parquet": _groups,
    ".csv": _cells,
    ".jsonl": _lines,
}


def _spoken(name: str, value: Any) -> Any:
    if name in _TIMES:
        return moment(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else repr(value)
    return value


def _cell(name: str, value: Any) -> Any:
    """Floats so that they read back the same; truth values as JSON has them."""
    if name in _TIMES and value is not None:
        return moment(value)
    return json.dumps(value) if isinstance(value, bool) else value
