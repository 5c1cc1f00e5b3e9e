"""Trains models with older libraries, takes decisions with them, and writes what a ledger would keep: FOLDER."""

from __future__ import annotations

import datetime
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import xgboost
from sklearn import ensemble

from glasskit import decisions, trees
from glasskit.decisions import bundles

RULE = decisions.Rule(threshold=0.5, adverse_name="declined", favourable_name="approved")
ON = datetime.date(2024, 5, 1)


def main(folder: Path, n_rows: int) -> None:
    chance = np.random.default_rng(7)
    rows = chance.normal(size=(4000, 12))
    rows[chance.random(rows.shape) < 0.03] = np.nan
    labels = (np.nan_to_num(rows[:, 0]) * np.nan_to_num(rows[:, 1]) + np.nan_to_num(rows[:, 2]) > 0).astype(
        int
    )
    versions = {module.__name__: module.__version__ for module in (np, lightgbm, xgboost)}
    (folder / "versions.json").write_text(json.dumps(versions))
    with (folder / "records.jsonl").open("w") as file:
        for name, model in models(rows[:1500], labels[:1500]):
            bundle = decisions.Bundle(rule=RULE, ensemble=trees.load(model))
            data = bundle.to_bytes()
            digest = bundles.digest(data)
            (folder / digest).write_bytes(data)
            asked = rows[:n_rows] if name != "forest" else np.nan_to_num(rows[:n_rows])
            for number, one in enumerate(decisions.Decider(bundle).decide(asked, on=ON)):
                record = {"id": f"{name}-{number}", "bundle": digest, "decision": one}
                file.write(json.dumps(record) + "\n")


def models(rows: Any, labels: Any) -> Iterator[tuple[str, Any]]:
    """A model of each library."""
    yield (
        "lightgbm",
        lightgbm.train(
            {"objective": "binary", "num_leaves": 31, "verbose": -1, "num_threads": 1},
            lightgbm.Dataset(rows, labels),
            num_boost_round=60,
        ),
    )
    yield (
        "xgboost",
        xgboost.train(
            {"objective": "binary:logistic", "max_depth": 5, "nthread": 1},
            xgboost.DMatrix(rows, label=labels),
            60,
        ),
    )
    yield (
        "forest",
        ensemble.RandomForestClassifier(25, max_depth=6, random_state=1).fit(np.nan_to_num(rows), labels),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
