"""`python -m glassproof LEDGER [--anchor FILE] [--key HEX] [--json]`: exit status 0 only if all of it is whole."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path

from glassproof import anchors, ledgers

UNUSABLE = 2
BROKEN = 1


def main(arguments: list[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    if not given.ledger.is_dir():
        print(f"There is no folder {given.ledger}.", file=sys.stderr)
        return UNUSABLE
    try:
        known = [anchor for path in given.anchor for anchor in anchors.read(path)]
        report = ledgers.verify(given.ledger, known, key=given.key)
    except (OSError, anchors.BadAnchor) as error:
        print(error, file=sys.stderr)
        return UNUSABLE
    print(json.dumps(dataclasses.asdict(report), indent=2) if given.json else told(report))
    return 0 if report.is_whole else BROKEN


def told(report: ledgers.Report) -> str:
    """A report in words."""
    verdict = "WHOLE" if report.is_whole else "BROKEN"
    lines = [
        f"{verdict}: {report.n_records} records, {report.n_seals} seals, {report.n_anchors} anchors held; "
        f"sealed to record {report.sealed_to}, anchored to record {report.anchored_to}.",
        *(f"  fault: {finding}" for finding in report.findings),
        *(f"  note: {note}" for note in report.notes),
    ]
    return "\n".join(line if line.isprintable() else ascii(line)[1:-1] for line in lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="glassproof", description="Verifies a decision ledger.")
    parser.add_argument("ledger", type=Path, help="the folder with the ledger's segments")
    parser.add_argument(
        "--anchor", type=Path, action="append", default=[], help="a file of anchors (repeatable)"
    )
    parser.add_argument(
        "--key", default="", help="the public key that seals must be signed with, hexadecimal"
    )
    parser.add_argument("--json", action="store_true", help="the report as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
