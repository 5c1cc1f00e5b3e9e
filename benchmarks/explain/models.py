"""The models that are explained: 30 features, trained here and now on made-up rows."""

from __future__ import annotations

import dataclasses
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt
import xgboost
from sklearn import ensemble

N_FEATURES = 30
N_TRAINING = 20_000


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A fitted model, and what the peers want of it."""

    name: str
    fitted: Any


def rows(n: int, *, seed: int = 0) -> npt.NDArray[np.float64]:
    """Made-up rows."""
    return np.random.default_rng(seed).normal(size=(n, N_FEATURES))


def labels(drawn: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """A target with interactions and noise."""
    noise = np.random.default_rng(1).normal(size=len(drawn))
    score = drawn[:, 0] * drawn[:, 1] + drawn[:, 2] + np.sin(2 * drawn[:, 3]) + noise
    return (score > 0).astype(np.float64)


def made(name: str) -> Model:
    """The model of that name (see NAMES)."""
    drawn = rows(N_TRAINING)
    target = labels(drawn)
    if name.startswith("LightGBM"):
        n_trees, n_leaves = (100, 31) if "100" in name else (500, 63)
        settings = {"objective": "binary", "num_leaves": n_leaves, "num_threads": 1, "verbose": -1}
        return Model(name=name, fitted=lightgbm.train(settings, lightgbm.Dataset(drawn, target), n_trees))
    if name.startswith("XGBoost"):
        settings = {"objective": "binary:logistic", "max_depth": 6, "nthread": 1}
        return Model(name=name, fitted=xgboost.train(settings, xgboost.DMatrix(drawn, target), 100))
    forest = ensemble.RandomForestClassifier(100, max_depth=10, random_state=0, n_jobs=1)
    return Model(name=name, fitted=forest.fit(drawn, target))


NAMES = (
    "LightGBM 100 x 31",
    "XGBoost 100 x depth 6",
    "LightGBM 500 x 63",
    "RandomForest 100 x depth 10",
)
