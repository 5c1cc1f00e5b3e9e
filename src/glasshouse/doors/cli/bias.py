"""`glasshouse bias`: whether a group fares worse than all others in a file."""

from __future__ import annotations

import argparse
from pathlib import Path

from glasshouse.doors.cli import analyses, failures
from glasshouse.doors.cli.root import Root
from glasskit.analyses import questions


def run(options: argparse.Namespace, root: Root) -> int:
    """Measure the bias of data and predictions in a file; no server is needed.

    glasshouse bias applicants.csv --label granted --positive 1 --facet gender=female
    glasshouse bias applicants.csv --label granted --positive 1 --facet "age>60" --predicted score --threshold 0.5

    A facet is a column (each of its values is compared with all others), column=value,value or column>number.
    Without --predicted only the metrics of the data are computed.
    """
    outputs = tuple(options.output)
    names = [name.strip() for text in options.metrics for name in text.split(",") if name.strip()]
    if "all" in names and len(names) > 1:
        raise failures.Failed("--metrics is either all or a list of names", status=failures.USAGE)
    asked = questions.Bias(
        data=options.table,
        label=options.label,
        positive=tuple(options.positive),
        facets=tuple(options.facet),
        predicted=options.predicted,
        threshold=options.threshold,
        group=options.group,
        metrics=() if names == ["all"] else tuple(names),
        intervals=options.intervals,
        confidence=options.confidence,
        replicates=options.replicates,
        seed=options.seed,
        minimum_rows=options.minimum_rows,
        missing=options.missing,
        compat=options.compat,
        outputs=outputs,
        as_json=options.json,
    )
    return analyses.run(root.analyses().bias, asked, root, outputs=outputs)


def add_options(one: argparse.ArgumentParser) -> None:
    """The options of the command."""
    one.add_argument("table", type=Path, metavar="DATA", help="the rows: .csv, .parquet or .jsonl")
    one.add_argument("--label", required=True, metavar="COLUMN", help="the column of the outcomes")
    one.add_argument(
        "--positive",
        required=True,
        action="append",
        metavar="VALUE",
        help="a favourable outcome; may be repeated",
    )
    one.add_argument(
        "--facet",
        required=True,
        action="append",
        metavar="COLUMN[=VALUE|>NUMBER]",
        help="whom the question is about",
    )
    one.add_argument("--predicted", metavar="COLUMN", help="the column of predicted outcomes, or of scores")
    one.add_argument("--threshold", type=float, metavar="T", help="scores above it count as favourable")
    one.add_argument("--group", metavar="COLUMN", help="within whose values CDDL and CDDPL compare")
    one.add_argument(
        "--metrics", action="append", default=[], metavar="NAMES", help="short names with commas between; all"
    )
    one.add_argument(
        "--intervals",
        choices=("auto", "formula", "bootstrap", "none"),
        default="auto",
        help="how confidence intervals are found (auto: a formula where there is one)",
    )
    one.add_argument(
        "--confidence", type=float, default=0.95, metavar="SHARE", help="of the intervals (0.95)"
    )
    one.add_argument("--replicates", type=int, default=1000, metavar="N", help="of the bootstrap (1000)")
    one.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the bootstrap and the flip test (0)"
    )
    one.add_argument(
        "--minimum-rows", type=int, default=1, metavar="N", help="refuse metrics of smaller groups (1)"
    )
    one.add_argument(
        "--missing", choices=("refuse", "drop"), default="refuse", help="what becomes of rows without a value"
    )
    one.add_argument(
        "--compat", action="store_true", help="smclarify's values where they differ from the definitions"
    )
    analyses.with_outputs(
        one, "may be given several times: .json (as analysis.json), .html, .csv or .parquet"
    )
