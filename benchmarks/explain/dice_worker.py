"""DiCE finds counterfactuals for the rows of a folder, in its own environment; prints them and the time they took."""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import dice_ml
import lightgbm
import numpy as np
import pandas

from benchmarks.explain import drawing


class Classifier:
    """A booster with the two methods that DiCE asks of a classifier."""

    def __init__(self, booster: Any) -> None:
        self._booster = booster
        self.classes_ = np.array([0, 1])

    def predict_proba(self, rows: Any) -> Any:
        """(n, 2)"""
        likely = self._booster.predict(np.asarray(rows, dtype=np.float64))
        return np.stack([1 - likely, likely], axis=1)

    def predict(self, rows: Any) -> Any:
        """(n,)"""
        return (self.predict_proba(rows)[:, 1] >= 0.5).astype(int)


def main() -> int:
    warnings.simplefilter("ignore")
    asked = json.loads(sys.argv[1])
    folder = Path(asked["folder"])
    model = Classifier(lightgbm.Booster(model_file=str(folder / "model.txt")))
    rows = np.load(folder / "rows.npy")
    names = [f"Column_{index}" for index in range(drawing.N_FEATURES)]
    known = np.clip(drawing.rows(2000), -asked["bound"], asked["bound"])
    frame = pandas.DataFrame(known, columns=names)
    frame["approved"] = model.predict(known)
    data = dice_ml.Data(dataframe=frame, continuous_features=names, outcome_name="approved")
    explainer = dice_ml.Dice(data, dice_ml.Model(model=model, backend="sklearn"), method=asked["method"])
    may_vary = [names[column] for column in asked["columns"]]
    bounds = {name: [-asked["bound"], asked["bound"]] for name in may_vary}
    working, answers = time.process_time(), []
    for row in rows:
        answers.append(_answer(explainer, pandas.DataFrame([row], columns=names), may_vary, bounds, names))
    print(json.dumps({"seconds": time.process_time() - working, "answers": answers}))
    return 0


def _answer(explainer: Any, row: Any, may_vary: list[str], bounds: dict[str, Any], names: list[str]) -> Any:
    try:
        found = explainer.generate_counterfactuals(
            row,
            total_CFs=1,
            desired_class=1,
            features_to_vary=may_vary,
            permitted_range=bounds,
            verbose=False,
            **({"random_seed": 0} if "Random" in type(explainer).__name__ else {}),
        )
    except Exception:  # DiCE raises when it finds none
        return None
    frame = found.cf_examples_list[0].final_cfs_df
    return None if frame is None or not len(frame) else frame[names].astype(float).to_numpy()[0].tolist()


if __name__ == "__main__":
    sys.exit(main())
