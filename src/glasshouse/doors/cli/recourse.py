"""`glasshouse recourse`: the nearest changes that turn a decision, or the proof that there are none."""

from __future__ import annotations

import argparse
from pathlib import Path

from glasshouse.doors.cli import analyses
from glasshouse.doors.cli.root import Root
from glasskit.analyses import questions


def run(options: argparse.Namespace, root: Root) -> int:
    """Find the nearest changes of one row that bring its prediction to a threshold; no server is needed.

    glasshouse recourse model.txt applicants.csv --row 7 --threshold 0.5 --policy constraints.toml
    glasshouse recourse model.txt applicants.csv --row 7 --at-least 0.8 --immutable age --immutable gender

    The status says what is proved: nearest, none, or nothing before the time ran out. Every option was checked with
    the model itself, and none breaks a constraint. Without --policy every column but the immutable ones may take the
    values that the file shows.
    """
    outputs = tuple(options.output)
    asked = questions.Recourse(
        model=options.model,
        data=options.table,
        chosen=analyses.chosen(options),
        at_most=options.threshold,
        at_least=options.at_least,
        policy=options.policy,
        immutable=tuple(options.immutable),
        n_options=options.diverse,
        time_limit_s=options.time_limit,
        has_header=not options.no_header,
        outputs=outputs,
        as_json=options.json,
    )
    return analyses.run(root.analyses().recourse, asked, root, outputs=outputs)


def add_options(one: argparse.ArgumentParser) -> None:
    """The options of the command."""
    one.add_argument("model", type=Path, metavar="MODEL", help="the model's file")
    one.add_argument("table", type=Path, metavar="DATA", help="the rows: .csv, .parquet or .jsonl")
    analyses.with_row(one, required=True)
    goal = one.add_mutually_exclusive_group(required=True)
    goal.add_argument("--threshold", type=float, metavar="T", help="the prediction must become at most this")
    goal.add_argument("--at-least", type=float, metavar="T", help="the prediction must become at least this")
    one.add_argument(
        "--policy", type=Path, metavar="FILE", help="TOML: what can change, how far, at what cost"
    )
    one.add_argument(
        "--immutable",
        action="append",
        default=[],
        metavar="COLUMN",
        help="never changes; where there is no --policy",
    )
    one.add_argument("--diverse", type=int, default=3, metavar="K", help="how many different options (3)")
    one.add_argument("--time-limit", type=float, default=10.0, metavar="SECONDS", help="of the search (10)")
    one.add_argument(
        "--no-header",
        action="store_true",
        help="the CSV has no header; its columns are the model's, in order",
    )
    analyses.with_outputs(one, "may be given several times: .json")
