"""Explanations beside the libraries that make them too: python -m benchmarks.explain [trees|recourse|parquet|locks].

Every figure is a median over rounds in which all contenders take turns, each in a process and an environment of
its own; on a shared machine only the ratios mean something. One thread, unless a line says otherwise.
"""

from __future__ import annotations

import argparse
import sys

from benchmarks.explain import batch, counterfactuals, environments, tree_values


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.explain", description=__doc__)
    parser.add_argument("what", nargs="?", default="trees", choices=["trees", "recourse", "parquet", "locks"])
    parser.add_argument("--only", default="", help="trees: models whose name contains this")
    parser.add_argument("--kind", default="", help="trees: values, interactions or background only")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=1_000_000, help="parquet: rows of the file")
    options = parser.parse_args()
    if options.what == "locks":
        environments.lock_anew()
    elif options.what == "trees":
        tree_values.compare(only=options.only, kind=options.kind, rounds=options.rounds)
    elif options.what == "recourse":
        counterfactuals.compare(rounds=options.rounds)
    else:
        batch.compare(n_rows=options.rows, rounds=options.rounds)
    return 0


if __name__ == "__main__":
    sys.exit(main())
