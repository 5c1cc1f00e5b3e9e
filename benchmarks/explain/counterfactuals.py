"""Recourse beside DiCE: the same model, the same rows, the same columns that may change within the same bounds.

DiCE is asked for one counterfactual with each of its three methods for any model. What both find is checked
here, with the model itself: does it flip, stays it within bounds, and how far is it (the sum over columns of the
distance in units of the column's standard deviation, which is one here).
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.explain import environments, models
from glasskit import recourse, trees

COLUMNS = tuple(range(8))
BOUND = 3.0
GOAL = 0.5
N_ROWS = 10
METHODS = ("random", "genetic", "kdtree")
NAME = models.NAMES[0]


def compare(*, rounds: int) -> None:
    """Prints a Markdown table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fitted = models.trained(NAME)
        models.save(fitted, folder)
        rows = _refused(fitted)
        np.save(folder / "rows.npy", rows)
        found = {"glasskit": [_ours(fitted, rows)]}
        for _ in range(rounds - 1):
            found["glasskit"].append(_ours(fitted, rows))
        for method in METHODS:
            found[f"DiCE, {method}"] = [_theirs(method, folder)]
    print(f"{NAME}, {N_ROWS} rows, {len(COLUMNS)} columns that may change\n")
    print(
        "| | processor s a row | ratio | flips | within bounds | median distance | |\n|---|---|---|---|---|---|---|"
    )
    own = statistics.median(each["seconds"] for each in found["glasskit"]) / N_ROWS
    for who, answers in found.items():
        _show(who, answers, own, fitted, rows)


def _refused(fitted: Any) -> Any:
    drawn = models.rows(400, seed=77)
    drawn = np.clip(drawn, -BOUND, BOUND)
    return drawn[fitted.predict(drawn) < GOAL][:N_ROWS]


def _ours(fitted: Any, rows: Any) -> dict[str, Any]:
    explainer = trees.Explainer(trees.load(fitted))
    allowed = [
        recourse.Number(column=explainer.feature_names[column], low=-BOUND, high=BOUND) for column in COLUMNS
    ]
    working, answers, proved = time.process_time(), [], 0
    for row in rows:
        found = recourse.find(explainer, row, allowed, at_least=GOAL, count=1)
        answers.append(found.options[0].row.tolist() if found.options else None)
        proved += found.status in ("optimal", "none_exists")
    return {"seconds": time.process_time() - working, "answers": answers, "proved": proved}


def _theirs(method: str, folder: Path) -> dict[str, Any]:
    try:
        python = environments.made("dice").python
    except environments.Unavailable as exc:
        return {"failed": str(exc)}
    asked = {"method": method, "folder": str(folder), "columns": COLUMNS, "bound": BOUND, "goal": GOAL}
    done = subprocess.run(
        [str(python), "-m", "benchmarks.explain.dice_worker", json.dumps(asked)],
        cwd=environments.ROOT,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(environments.ROOT), "OMP_NUM_THREADS": "1"},
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        return {"failed": " ".join(done.stderr.split())[-200:]}
    facts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return facts


def _show(who: str, answers: list[dict[str, Any]], own: float, fitted: Any, rows: Any) -> None:
    if "failed" in answers[0]:
        print(f"| {who} | failed: {answers[0]['failed']} | | | | | |")
        return
    found = [
        (row, np.array(answer))
        for row, answer in zip(rows, answers[0]["answers"], strict=True)
        if answer is not None
    ]
    flips = sum(float(fitted.predict(new[np.newaxis])[0]) >= GOAL for _, new in found)
    inside = sum(_is_within(row, new) for row, new in found)
    far = statistics.median(float(np.abs(new - row).sum()) for row, new in found) if found else float("nan")
    seconds = statistics.median(each["seconds"] for each in answers) / N_ROWS
    proved = f"{answers[0]['proved']} of {N_ROWS} proved nearest" if "proved" in answers[0] else "no proof"
    print(
        f"| {who} | {seconds:.3f} | {seconds / own:,.1f} | {flips} of {N_ROWS} | {inside} of {N_ROWS} "
        f"| {far:.2f} | {proved} |",
        flush=True,
    )


def _is_within(row: Any, new: Any) -> bool:
    others = [column for column in range(len(row)) if column not in COLUMNS]
    # DiCE's genetic method rounds to a tenth even what may not change
    stays = np.allclose(row[others], new[others], rtol=0, atol=0.051)
    return bool(stays and np.abs(new[list(COLUMNS)]).max() <= BOUND + 1e-9)


if __name__ == "__main__":
    sys.exit("python -m benchmarks.explain recourse")
