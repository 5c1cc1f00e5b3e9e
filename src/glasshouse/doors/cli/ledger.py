"""`glasshouse verify` and `glasshouse replay`: the decision ledger, read from its folder; no server is needed."""

from __future__ import annotations

import argparse
import collections
import datetime as dt
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from glasshouse.doors.cli import failures
from glasshouse.doors.cli.root import Root
from glasshouse.kernel.settings import Settings
from glassproof import __main__ as verifier
from glassproof import anchors, ledgers

if TYPE_CHECKING:
    from glasshouse.kernel.ledger import Entry, Reader

NANO = 1_000_000_000
_SEVERAL = 200
_SHOWN = 20


def verify(options: argparse.Namespace, root: Root) -> int:
    """Read the whole decision ledger and name whatever is not as it was written; exit status 0 only if all is whole.

    It is held against the anchors kept outside the data folder. The same without this installation:
    copy the folder of the package `glassproof` and run python -m glassproof LEDGER/segments --anchor FILE.
    """
    settings = Settings.read({"data": options.data})
    segments = folder_of(settings) / "segments"
    try:
        known = _anchors(options, settings, segments, root)
        report = ledgers.verify(segments, known, progress=_told("verified"))
    except (OSError, anchors.BadAnchor) as error:
        raise failures.Failed(f"The ledger cannot be verified: {error}") from error
    print(verifier.told(report))
    if report.is_whole and report.sealed_to and not known:
        raise failures.Failed(
            "Nothing says that this is the ledger that was written: it is sealed, and none of its anchors was found. "
            "Name the file that they are kept in by --anchor."
        )
    return 0 if report.is_whole else failures.FAILED


def replay(options: argparse.Namespace, root: Root) -> int:
    """Take recorded decisions again from the ledger alone and compare every bit; exit status 0 only if all are equal.

    glasshouse replay 5f1c...           one decision, or several
    glasshouse replay --since 2026-01-01
    glasshouse replay --all

    Models whose trees cannot be read are asked again in the environment that they ran in. Decisions whose subject was
    erased are counted and not compared.
    """
    from glasshouse.kernel.ledger import replaying

    if bool(options.id) + bool(options.since) + options.all != 1:
        raise failures.Failed("Name decisions, or give --since or --all.", status=failures.USAGE)
    settings = Settings.read({"data": options.data})
    folder = folder_of(settings)
    chosen = _chosen(options, folder)
    counts: collections.Counter[str] = collections.Counter()
    for one in replaying.replay(folder, chosen, rerun=root.rerun(settings)):
        counts[one.verdict] += 1
        if one.verdict != "equal" and counts[one.verdict] <= _SHOWN:
            print(f"{one.id} (record {one.seq}): {one.verdict}: {'; '.join(one.details[:_SHOWN])}")
        if sum(counts.values()) % _SEVERAL == 0:
            _told("replayed")(sum(counts.values()), 0)
    total = sum(counts.values())
    if not total or total < len(set(options.id)):
        missing = "no such decision" if len(options.id) < 2 else f"only {total} of these decisions"
        raise failures.Failed(f"There is {missing} in the ledger.")
    print(f"{total} decisions: " + ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common()))
    return failures.FAILED if counts["different"] or counts["refused"] else 0


def add_verify(one: argparse.ArgumentParser) -> None:
    one.add_argument("--data", type=Path, metavar="DIR", help="the server's data folder (~/.glasshouse)")
    one.add_argument(
        "--anchor",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a file of anchors (repeatable)",
    )


def add_replay(one: argparse.ArgumentParser) -> None:
    one.add_argument("id", nargs="*", help="the ids of decisions")
    one.add_argument("--since", default="", metavar="TIME", help="from this day or time on, ISO 8601, UTC")
    one.add_argument("--all", action="store_true", help="every decision")
    one.add_argument("--data", type=Path, metavar="DIR", help="the server's data folder (~/.glasshouse)")


def folder_of(settings: Settings) -> Path:
    """The ledger of the data folder. Raises Failed where there is none."""
    folder = settings.data / "ledger"
    if not folder.is_dir():
        raise failures.Failed(f"There is no decision ledger in {settings.data}.")
    return folder


def _anchors(
    options: argparse.Namespace, settings: Settings, segments: Path, root: Root
) -> list[anchors.Anchor]:
    """Those of the files that were named, or else all that the server has put anywhere."""
    if options.anchor:
        return [one for path in options.anchor for one in anchors.read(path)]
    found: list[anchors.Anchor] = []
    for ledger in sorted({ledgers.id_of(segments), _id_by_keys(segments.parent)} - {""}):
        file = settings.anchor_file(ledger)
        found += [*(anchors.read(file) if file.is_file() else []), *root.anchors(settings, ledger)]
    return list(dict.fromkeys(found))


def _id_by_keys(folder: Path) -> str:
    """What the ledger is called by its keys, whatever its segments say; "" when they are gone."""
    from glasshouse.kernel import disk
    from glasshouse.kernel.ledger import keeping, secret_files

    try:
        return secret_files.load(folder / keeping.KEYS, disk.RealDisk()).ledger_id
    except (OSError, secret_files.DamagedKey):
        return ""


def _chosen(options: argparse.Namespace, folder: Path) -> Iterator[Entry]:
    since, wanted = nanoseconds(options.since, "--since") if options.since else 0, frozenset(options.id)
    found = reader_of(folder).entries(
        only=lambda fields: (
            fields["kind"] == "decision" and fields["at"] >= since and (not wanted or fields["id"] in wanted)
        )
    )
    return (entry for _, entry in found)


def reader_of(folder: Path) -> Reader:
    """Raises Failed."""
    from glasshouse.kernel.ledger import Reader, secret_files

    try:
        return Reader(folder)
    except (OSError, secret_files.DamagedKey) as error:
        raise failures.Failed(f"The ledger cannot be read: {error}") from error


def nanoseconds(text: str, option: str) -> int:
    """A time in ISO 8601, UTC where it does not say otherwise. Raises Failed."""
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise failures.Failed(
            f"{option} {text!r} is not a time such as 2026-01-31 or 2026-01-31T12:00.", status=failures.USAGE
        ) from error
    aware = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    return round(aware.timestamp() * NANO)


def _told(what: str) -> ledgers.Progress:
    """A line of progress for people who watch, none for programs."""

    def tell(done: int, all_of_it: int) -> None:
        if sys.stderr.isatty():
            share = f"{done / all_of_it:.0%}" if all_of_it else f"{done}"
            print(f"\r{what} {share}", end="", file=sys.stderr, flush=True)

    return tell
