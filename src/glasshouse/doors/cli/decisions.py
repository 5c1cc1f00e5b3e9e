"""`glasshouse decisions`: what the ledger holds, for people; read from its folder, so that no server is needed."""

from __future__ import annotations

import argparse
import collections
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from glasshouse.doors.cli import decision_pages, failures, ledger
from glasshouse.doors.cli.root import Decisions, Recorded, Root
from glasshouse.kernel.settings import Settings

if TYPE_CHECKING:
    from glasshouse.kernel.ledger import Entry, Reader

_LAST = 50


def run(options: argparse.Namespace, root: Root) -> int:
    """List, show or export recorded decisions.

    glasshouse decisions list --outcome declined --since 2026-01-01
    glasshouse decisions show 5f1c...
    glasshouse decisions export decisions.parquet        or .csv, .jsonl: one row a decision

    They are read from the ledger's folder, whether a server runs or not; who may read that folder and its keys may read
    them. Personal fields of subjects that were erased are not there any more.
    """
    command: Callable[[argparse.Namespace, Root], int] = options.what
    return command(options, root)


def listed(options: argparse.Namespace, root: Root) -> int:
    """Print a line for each decision that fits, the newest last."""
    found = _Found(options)
    tables = root.decisions(found.bundles)
    rows = collections.deque((tables.row(one) for one in found.records()), maxlen=options.last or None)
    if options.json:
        print(json.dumps([decision_pages.spoken(row) for row in rows], indent=2, ensure_ascii=False))
        return 0
    for line in decision_pages.table(list(rows)):
        print(line)
    earlier = found.count - len(rows)
    if earlier:
        print(f"{earlier} earlier decisions fit too; --last 0 lists all.")
    if not found.count:
        print(found.nothing)
    return 0


def shown(options: argparse.Namespace, root: Root) -> int:
    """Print everything that made one decision."""
    found = _Found(options)
    record = next(iter(found.records()), None)
    if record is None:
        raise failures.Failed(f"There is no decision {options.id} in the ledger.")
    row = root.decisions(found.bundles).row(record)
    if options.json:
        print(json.dumps(decision_pages.spoken(row), indent=2, ensure_ascii=False))
        return 0
    for line in decision_pages.page(row, record["truths"], n_shown=options.show):
        print(line)
    return 0


def exported(options: argparse.Namespace, root: Root) -> int:
    """Write the decisions that fit into a table: features and SHAP values by name, and the truth that came later."""
    found = _Found(options)
    tables: Decisions = root.decisions(found.bundles)
    try:
        n_rows, n_columns = tables.export(found.records, options.file)
    except OSError as error:
        raise failures.Failed(
            f"{options.file} cannot be written: {error.strerror}", status=failures.USAGE
        ) from error
    print(f"{n_rows} decisions with {n_columns} columns are in {options.file}.")
    return 0


class _Found:
    """The decisions that the options ask for. `count`: how many the last reading found."""

    nothing = "No decision fits."

    def __init__(self, options: argparse.Namespace) -> None:
        self._folder = ledger.folder_of(Settings.read({"data": options.data}))
        self.bundles = self._folder / "bundles"
        self._reader = ledger.reader_of(self._folder)
        self._fits, self.count = _Filters(options, self._reader), 0
        self._last_seq = 0
        self._truths: dict[str, list[dict[str, Any]]] = {}

    def records(self) -> Iterator[Recorded]:
        """Those that were there when it was first called."""
        if not self._last_seq:
            self._read_truths()
        self.count = 0
        for _, entry in self._reader.entries(only=self._is_wanted):
            if self._fits.private(entry):
                self.count += 1
                yield _record(entry, self._truths.get(entry.id, []))

    def _is_wanted(self, fields: Mapping[str, Any]) -> bool:
        return fields["seq"] <= self._last_seq and fields["kind"] == "decision" and self._fits.public(fields)

    def _read_truths(self) -> None:
        def is_truth(fields: Mapping[str, Any]) -> bool:
            self._last_seq = fields["seq"]
            return bool(fields["kind"] == "truth")

        for _, entry in self._reader.entries(only=is_truth):
            if entry.private is not None:
                told = {"at": entry.at, "label": entry.private["label"], "by": entry.public["by"]}
                self._truths.setdefault(entry.public["decision"], []).append(told)


class _Filters:
    """What must hold of a decision, by its open fields and by its personal ones."""

    def __init__(self, options: argparse.Namespace, reader: Reader) -> None:
        self._options = options
        self._since = ledger.nanoseconds(options.since, "--since") if options.since else None
        self._until = ledger.nanoseconds(options.until, "--until") if options.until else None
        self._slot = reader.slot_of(options.subject) if options.subject else None

    def public(self, fields: Mapping[str, Any]) -> bool:
        options, public = self._options, fields["public"]
        return (
            options.id in ("", fields["id"])
            and options.endpoint in ("", public["endpoint"])
            and options.model in ("", public["model"])
            and (not options.subject or fields["slot"] == self._slot)
            and (self._since is None or fields["at"] >= self._since)
            and (self._until is None or fields["at"] < self._until)
        )

    def private(self, entry: Entry) -> bool:
        options, private = self._options, entry.private or {}
        return options.outcome in ("", private.get("outcome")) and options.inference_id in (
            "",
            private.get("inference_id"),
        )


def _record(entry: Entry, truths: Iterable[Mapping[str, Any]]) -> Recorded:
    from glasshouse.kernel.ledger import records

    return {
        "id": entry.id,
        "seq": entry.seq,
        "at": entry.at,
        "public": entry.public,
        "private": None if entry.private is None else records.plain(entry.private),
        "truths": list(truths),
    }


def add_options(one: argparse.ArgumentParser) -> None:
    """The three commands below, each with its options."""
    verbs = one.add_subparsers(title="commands", metavar="list | show | export", required=True)
    many = _with_filters(_added(verbs, "list", listed))
    many.add_argument("--json", action="store_true", help="print JSON")
    many.add_argument(
        "--last", type=int, default=_LAST, metavar="N", help=f"the last N of them ({_LAST}); 0 for all"
    )
    show = _with_filters(_added(verbs, "show", shown), by_id=True)
    show.add_argument("--json", action="store_true", help="print JSON")
    show.add_argument("--show", type=int, default=10, metavar="N", help="how many features to show (10)")
    export = _with_filters(_added(verbs, "export", exported))
    export.add_argument("file", type=Path, metavar="FILE", help="a .parquet, .csv or .jsonl file")


def _added(verbs: Any, name: str, command: Callable[[argparse.Namespace, Root], int]) -> Any:
    one = verbs.add_parser(name, help=command.__doc__, description=command.__doc__)
    one.set_defaults(what=command)
    return one


def _with_filters(one: Any, *, by_id: bool = False) -> Any:
    one.add_argument("--data", type=Path, metavar="DIR", help="the server's data folder (~/.glasshouse)")
    none = {
        "endpoint": "",
        "model": "",
        "outcome": "",
        "subject": "",
        "inference_id": "",
        "since": "",
        "until": "",
    }
    if by_id:
        one.set_defaults(**none)
        one.add_argument("id", help="the id of a decision")
        return one
    one.set_defaults(id="")
    for flag, text in (
        ("endpoint", "of this endpoint"),
        ("model", "by this model"),
        ("outcome", "with this outcome"),
        ("subject", "about this person"),
        ("inference-id", "with this InferenceId"),
        ("since", "from this day or time on, ISO 8601, UTC"),
        ("until", "before this day or time"),
    ):
        one.add_argument(f"--{flag}", default="", metavar="TEXT", help=text)
    return one
