"""`glasshouse expire`: decisions that are kept no longer."""

from __future__ import annotations

import argparse
from pathlib import Path

from glasshouse.doors.cli import calls, explain, running
from glasshouse.doors.cli.root import Root
from glasshouse.kernel.settings import Settings


def run(options: argparse.Namespace, root: Root) -> int:
    """Erase everybody whose every decision is older than so many days. It cannot be undone.

    glasshouse expire --older-than 1825 --reason "kept for five years" --dry-run
    glasshouse expire --older-than 1825 --reason "kept for five years"

    The keys of these subjects are destroyed, so that none of their personal fields can be read any more; the chain stays whole.
    The order and each erasure are recorded. A person with a newer decision is kept with all of theirs.
    """
    settings = Settings.read({"data": options.data})
    server, keys = running.need(settings.data), running.keys_of(settings, root.keys)
    body = {"OlderThanDays": options.older_than, "Reason": options.reason, "DryRun": options.dry_run}
    found = calls.answer("ExpireDecisions", body, service="glasshouse", server=server, keys=keys)
    told = f"{found['Subjects']} subjects with {found['Decisions']} decisions, none of them since {found['Before']:%Y-%m-%d %H:%M} UTC"
    if options.dry_run:
        print(f"Would be erased: {told}.")
    else:
        print(f"Erased: {told}. The order is record {found['Seq']} of the ledger.")
    return 0


def add_options(one: argparse.ArgumentParser) -> None:
    """The options of the command."""
    one.add_argument("--data", type=Path, metavar="DIR", help="the server's data folder (~/.glasshouse)")
    one.add_argument(
        "--older-than", type=explain.positive, required=True, metavar="DAYS", help="an age in days"
    )
    one.add_argument("--reason", required=True, metavar="TEXT", help="why; it is recorded")
    one.add_argument("--dry-run", action="store_true", help="only say whom it would erase")
