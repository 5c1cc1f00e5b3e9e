"""`glasshouse explain`: why a model in a file predicts what it predicts for the rows of another."""

from __future__ import annotations

import argparse
from pathlib import Path

from glasshouse.doors.cli import analyses
from glasshouse.doors.cli.root import Root
from glasskit.analyses import questions


def run(options: argparse.Namespace, root: Root) -> int:
    """Explain a model's predictions for the rows of a file; no server is needed.

    glasshouse explain model.txt applicants.csv                          what matters over all rows
    glasshouse explain model.txt applicants.csv --output shap.parquet    every contribution of every row
    glasshouse explain model.txt applicants.csv --row 7                  one row in detail
    glasshouse explain model.txt applicants.csv --row 7 --output why.html --output why.png

    MODEL: LightGBM text, XGBoost JSON or UBJ, CatBoost JSON, the portable form; or a pickled model of scikit-learn,
    LightGBM, XGBoost or CatBoost, which is opened inside a sandbox only.
    DATA: CSV with a header, Parquet or JSON lines, with a column for each of the model's.
    Contributions are exact and checked: base value plus contributions are the model's margin.
    """
    outputs = tuple(options.output)
    asked = questions.Explain(
        model=options.model,
        data=options.table,
        chosen=analyses.chosen(options),
        background=options.background,
        groups=options.groups,
        group_by=options.group_by,
        interactions=options.interactions,
        reasons=options.reasons,
        baseline=options.baseline,
        outputs=outputs,
        space=options.space,
        output_index=options.output_class,
        has_header=not options.no_header,
        n_shown=options.show,
        as_json=options.json,
    )
    return analyses.run(root.analyses().explain, asked, root, outputs=outputs)


def add_options(one: argparse.ArgumentParser) -> None:
    """The options of the command."""
    one.add_argument("model", type=Path, metavar="MODEL", help="the model's file")
    one.add_argument("table", type=Path, metavar="DATA", help="the rows: .csv, .parquet or .jsonl")
    analyses.with_row(one, required=False)
    one.add_argument(
        "--background", type=Path, metavar="FILE", help="rows to explain against, all of them, never a sample"
    )
    one.add_argument(
        "--groups", type=Path, metavar="FILE", help="TOML: which columns count as one, and labels"
    )
    one.add_argument(
        "--group-by",
        default="",
        metavar="TEXT",
        help="count columns as one by their names before it, like __",
    )
    one.add_argument("--interactions", action="store_true", help="which columns act together, too")
    one.add_argument(
        "--reasons", type=Path, metavar="POLICY", help="the principal reasons, under this policy file"
    )
    one.add_argument(
        "--baseline",
        type=Path,
        metavar="FILE",
        help="the rows of the population that the policy measures from",
    )
    one.add_argument(
        "--space",
        choices=("margin", "prediction"),
        default="margin",
        help="what contributions add up to; prediction needs --background",
    )
    one.add_argument(
        "--class",
        type=int,
        dest="output_class",
        metavar="K",
        help="the class, where the model has several; from 0",
    )
    one.add_argument(
        "--no-header",
        action="store_true",
        help="the CSV has no header; its columns are the model's, in order",
    )
    one.add_argument("--show", type=positive, default=10, metavar="N", help="how many features to show (10)")
    analyses.with_outputs(
        one,
        "may be given several times. All rows: .csv or .parquet (contributions), .html, .svg, .png or .pdf (swarm). "
        "One row: .html (report), .svg, .png or .pdf (waterfall), .csv, .parquet or .json",
    )


def positive(text: str) -> int:
    """A whole number from 1 up."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 up")
    return number
