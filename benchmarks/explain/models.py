"""The models that are explained: 30 features, trained here and now on made-up rows, saved for every contender."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt
import xgboost
from sklearn import ensemble

from benchmarks.explain import drawing

N_TRAINING = 20_000
NAMES = (
    "LightGBM 100 x 31",
    "XGBoost 100 x depth 6",
    "LightGBM 500 x 63",
    "RandomForest 100 x depth 10",
)
LARGE = NAMES[2:]


def rows(n: int, *, seed: int = 0) -> npt.NDArray[np.float64]:
    """Made-up rows."""
    return drawing.rows(n, seed=seed)


def labels(drawn: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A target with interactions and noise."""
    noise = np.random.default_rng(1).normal(size=len(drawn))
    score = drawn[:, 0] * drawn[:, 1] + drawn[:, 2] + np.sin(2 * drawn[:, 3]) + noise
    return (score > 0).astype(np.float64)


def trained(name: str) -> Any:
    """The model of that name (see NAMES)."""
    drawn = rows(N_TRAINING)
    target = labels(drawn)
    if name.startswith("LightGBM"):
        n_trees, n_leaves = (100, 31) if "100" in name else (500, 63)
        settings = {"objective": "binary", "num_leaves": n_leaves, "num_threads": 1, "verbose": -1}
        return lightgbm.train(settings, lightgbm.Dataset(drawn, target), n_trees)
    if name.startswith("XGBoost"):
        settings = {"objective": "binary:logistic", "max_depth": 6, "nthread": 1}
        return xgboost.train(settings, xgboost.DMatrix(drawn, target), 100)
    forest = ensemble.RandomForestClassifier(100, max_depth=10, random_state=0, n_jobs=1)
    return forest.fit(drawn, target)


def save(model: Any, folder: Path) -> None:
    """Writes the model as its own library does; the forest as a pickle that only this run reads."""
    if isinstance(model, lightgbm.Booster):
        model.save_model(folder / "model.txt")
    elif isinstance(model, xgboost.Booster):
        model.save_model(folder / "model.json")
    else:
        (folder / "model.pickle").write_bytes(pickle.dumps(model))
