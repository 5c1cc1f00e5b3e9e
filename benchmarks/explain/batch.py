"""Rows in a Parquet file -> predictions and SHAP values in another: time and peak memory of whole processes.

The peers get 20,000 rows of the file, for theirs take minutes; the time of all rows is scaled up from there, and
their memory is what those rows took.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from benchmarks.explain import environments, models

FEW = 20_000
SLICE = 100_000
N_THREADS = 2


def compare(*, n_rows: int, rounds: int) -> None:
    """Prints a Markdown table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        models.save(models.trained(models.NAMES[0]), folder)
        _write(folder / "rows.parquet", n_rows)
        _write(folder / "few.parquet", min(FEW, n_rows))
        peers = environments.made("peers").python
        pythons = {"glasskit": Path(sys.executable), "shap": peers, "lightgbm": peers}
        taken: dict[str, list[dict[str, Any]]] = {name: [] for name in pythons}
        for _ in range(rounds):
            for contender, python in pythons.items():
                taken[contender].append(_run(contender, python, folder))
        _show(taken, n_rows)


def _write(path: Path, n_rows: int) -> None:
    names = [f"Column_{index}" for index in range(models.rows(1).shape[1])]
    schema = pa.schema([(name, pa.float64()) for name in names])
    with parquet.ParquetWriter(path, schema) as writer:
        for start in range(0, n_rows, SLICE):
            drawn = models.rows(min(SLICE, n_rows - start), seed=start)
            writer.write_table(pa.table(list(drawn.T.copy()), schema=schema))


def _run(contender: str, python: Path, folder: Path) -> dict[str, Any]:
    done = subprocess.run(
        [str(python), "-m", "benchmarks.explain.batch_worker", contender, str(folder), str(N_THREADS)],
        cwd=environments.ROOT,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{environments.ROOT}:{environments.ROOT / 'src'}"},
        check=True,
        capture_output=True,
        text=True,
    )
    facts: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return facts


def _show(taken: dict[str, list[dict[str, Any]]], n_rows: int) -> None:
    print(f"LightGBM 100 x 31, {n_rows:,} rows, {N_THREADS} threads where a library has threads\n")
    print(
        f"| | processor s for {n_rows:,} rows | ratio | passed s | ratio | peak MB | |\n|---|---|---|---|---|---|---|"
    )

    def scaled(facts: dict[str, Any], what: str) -> float:
        return float(facts[what]) * n_rows / int(facts["n_rows"])

    for name, rounds in taken.items():
        cells = []
        for what in ("seconds", "passed_s"):
            own = [scaled(facts, what) for facts in taken["glasskit"]]
            theirs = [scaled(facts, what) for facts in rounds]
            ratio = statistics.median(one / other for one, other in zip(theirs, own, strict=True))
            cells += [f"{statistics.median(theirs):,.1f}", f"{ratio:,.1f}"]
        peak = max(facts["peak_bytes"] for facts in rounds) / 1e6
        note = "" if name == "glasskit" else f"scaled from {rounds[0]['n_rows']:,} rows"
        print(f"| {name} | {' | '.join(cells)} | {peak:,.0f} | {note} |", flush=True)
