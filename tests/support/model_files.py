"""Model files and tables on which the commands that need no server are tried."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import joblib
import lightgbm
import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier

from glasshouse import __main__ as program

COLUMNS = ("amount", "months", "age", "account__low", "account__high")


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """A folder with model.txt, model.joblib and data.csv, .parquet, .jsonl; and what they were made from."""

    folder: Path
    booster: lightgbm.Booster
    forest: RandomForestClassifier
    table: pd.DataFrame

    def path(self, name: str) -> str:
        return str(self.folder / name)

    @property
    def rows(self) -> np.ndarray:
        return self.table[list(COLUMNS)].to_numpy(dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How a command ended."""

    status: int
    out: str
    err: str


def made(folder: Path, *, n: int = 300) -> Files:
    """The files, the same ones each time."""
    random = np.random.default_rng(3)
    table = pd.DataFrame(
        {
            "amount": random.integers(5, 150, n) * 100.0,
            "months": random.integers(6, 60, n) * 1.0,
            "age": random.integers(19, 76, n) * 1.0,
        }
    )
    account = random.choice(["low", "high"], n)
    for name in ("low", "high"):
        table[f"account__{name}"] = (account == name) * 1.0
    risk = table.amount / 4000 + table.months / 30 + 1.5 * (account == "low") + random.normal(size=n)
    defaulted = (risk > 3.5).astype(int)
    rows = table[list(COLUMNS)]
    model = lightgbm.LGBMClassifier(n_estimators=12, max_depth=3, verbose=-1, n_jobs=1).fit(rows, defaulted)
    forest = RandomForestClassifier(5, max_depth=3, random_state=0).fit(rows, defaulted)
    model.booster_.save_model(folder / "model.txt")
    joblib.dump(forest, folder / "model.joblib")
    table["id"] = [f"c{at}" for at in range(n)]
    table["defaulted"] = defaulted
    table["score"] = model.predict_proba(rows)[:, 1]
    table["group"] = np.where(table.age > 45, "old", "young")
    table.to_csv(folder / "data.csv", index=False)
    table.to_parquet(folder / "data.parquet")
    table.to_json(folder / "data.jsonl", orient="records", lines=True)
    return Files(folder=folder, booster=model.booster_, forest=forest, table=table)


def run(*words: str) -> Done:
    """`glasshouse WORDS` in this process."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            status = program.main(words)
        except SystemExit as ended:  # how argparse refuses a word
            status = int(ended.code or 0)
    return Done(status=status, out=out.getvalue(), err=err.getvalue())
