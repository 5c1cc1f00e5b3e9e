"""One contender's way from rows in a Parquet file to predictions and SHAP values in another; prints what it took."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Work = Callable[[], int]
"""Does the whole file; returns its rows. Making it loads the libraries, whose time is not counted, nor scaled."""


def glasskit(folder: Path, n_threads: int) -> Work:
    import lightgbm

    from glasskit import trees

    def work() -> int:
        ensemble = trees.load(lightgbm.Booster(model_file=str(folder / "model.txt")))
        explainer = trees.Explainer(ensemble, tables=True, n_threads=n_threads)
        return trees.explain_parquet(explainer, folder / "rows.parquet", folder / "explained.parquet")

    return work


def shap(folder: Path, n_threads: int) -> Work:
    import lightgbm
    import shap as package

    model = lightgbm.Booster(model_file=str(folder / "model.txt"))
    explainer = package.TreeExplainer(model)
    return _whole_file(
        folder, lambda rows: (model.predict(rows, num_threads=n_threads), explainer.shap_values(rows))
    )


def lightgbm(folder: Path, n_threads: int) -> Work:
    import lightgbm as package

    model = package.Booster(model_file=str(folder / "model.txt"))

    def explain(rows: Any) -> tuple[Any, Any]:
        values = model.predict(rows, pred_contrib=True, num_threads=n_threads)
        return model.predict(rows, num_threads=n_threads), values[:, :-1]

    return _whole_file(folder, explain)


def _whole_file(folder: Path, explain: Callable[[Any], tuple[Any, Any]]) -> Work:
    """What a user of these libraries writes: read the file, explain it, write a file."""
    import pandas

    def work() -> int:
        rows = pandas.read_parquet(folder / "few.parquet")
        prediction, values = explain(rows.to_numpy())
        explained = pandas.DataFrame(values, columns=[f"shap.{name}" for name in rows.columns])
        explained.insert(0, "prediction", prediction)
        explained.to_parquet(folder / "explained.parquet", compression=None)
        return len(rows)

    return work


def main() -> int:
    name, folder, n_threads = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    work = {"glasskit": glasskit, "shap": shap, "lightgbm": lightgbm}[name](folder, n_threads)
    started, working = time.perf_counter(), time.process_time()
    n_rows = work()
    facts = {
        "n_rows": n_rows,
        "passed_s": time.perf_counter() - started,
        "seconds": time.process_time() - working,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    print(json.dumps(facts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
