"""The built-in LightGBM, with SageMaker's defaults, which differ from LightGBM's own.

The model is the one that `lightgbm.train` makes from the same rows with `parameters(...)`, bit for bit: training is
made deterministic (`deterministic`, `force_row_wise`, a fixed seed), so the number of threads does not matter.
It is saved as text, `lightgbm-model.txt`, up to the best round when early stopping found one.

Unlike SageMaker's container, which takes a fifth of the training rows where there is no validation channel, this
one trains on all rows then, and does not stop early; the log says so.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightgbm
import numpy as np

from glasskit.algorithms import contract, hyperparameters, lightgbm_hyperparameters
from glasskit.data import readers, tables

if TYPE_CHECKING:
    import numpy.typing as npt

SCHEMA = lightgbm_hyperparameters.SCHEMA
MODEL_FILE = "lightgbm-model.txt"

_FIXED = {"deterministic": "true", "force_row_wise": "true"}
_CONTAINER_ONLY = frozenset({"num_boost_round", "early_stopping_rounds", "objective", "metric", "num_class"})


def train(job: contract.Job) -> None:
    """Trains on `train` (or `training`), watching `validation` when there is one, and writes the model."""
    read = SCHEMA.read(job.hyperparameters)
    training = _table(job, "train", "training")
    if training is None or training.label is None:
        raise contract.Refused("Missing required channel: train")
    validation = _table(job, "validation")
    passed = parameters(read, training)
    data = _dataset(training)
    watched, names = [data], ["train"]
    callbacks: list[Any] = [_Log(job)]
    if validation is not None:
        watched.append(_dataset(validation, reference=data))
        names.append("validation")
        rounds = read.integer("early_stopping_rounds") or 0
        callbacks.append(lightgbm.early_stopping(rounds, verbose=False))
    else:
        job.say("There is no validation channel: training uses all rows and does not stop early")
    job.say(f"Parameters: {passed}")
    try:
        booster = lightgbm.train(
            passed,
            data,
            num_boost_round=read.integer("num_boost_round") or 0,
            valid_sets=watched,
            valid_names=names,
            callbacks=callbacks,
        )
    except (lightgbm.basic.LightGBMError, ValueError) as exc:
        raise contract.Refused(f"LightGBM refused to train: {exc}") from exc
    job.model_dir.mkdir(parents=True, exist_ok=True)
    booster.save_model(job.model_dir / MODEL_FILE)


def parameters(read: hyperparameters.Read, training: tables.Table) -> dict[str, Any]:
    """What is passed to lightgbm.train. Objective `auto` is decided by the labels.

    Labels 0 and 1 only: binary. Three or more whole numbers from 0, each of which occurs, at most 100: multiclass.
    Anything else: regression.
    """
    passed: dict[str, Any] = {
        name: value for name, value in read.values.items() if name not in _CONTAINER_ONLY
    }
    passed |= _FIXED
    if read.values["boosting"] == "goss":
        passed |= {"bagging_freq": "0", "bagging_fraction": "1.0"}
    objective, n_classes = _objective(read, training)
    passed["objective"] = objective
    if n_classes:
        passed["num_class"] = n_classes
    if read.values["metric"] != "auto":
        passed["metric"] = read.values["metric"]
    return passed


def _objective(read: hyperparameters.Read, training: tables.Table) -> tuple[str, int]:
    """Objective and number of classes (0 when the objective has none)."""
    wanted, given = read.values["objective"], read.integer("num_class")
    classes = np.unique(training.label) if training.label is not None else np.array([])
    counted = len(classes) and bool((classes == np.arange(len(classes))).all())
    if wanted == "auto" and given is None:
        if counted and len(classes) == 2:
            return "binary", 0
        return ("multiclass", len(classes)) if counted and 2 < len(classes) <= 100 else ("regression", 0)
    if wanted == "auto":
        wanted = "multiclass"
    if not wanted.startswith("multiclass"):
        return wanted, 0
    return wanted, given or int(classes.max()) + 1


def _table(job: contract.Job, *names: str) -> tables.Table | None:
    channel = contract.channel(job, *names)
    return None if channel is None else readers.read(channel.path, channel.content_type or "text/csv")


def _dataset(table: tables.Table, reference: Any = None) -> Any:
    return lightgbm.Dataset(table.features, label=table.label, weight=table.weights, reference=reference)


class _Log:
    """Prints `[1] train's auc: 0.9` and, on a line of its own, the same for validation; ends when told to stop."""

    order = 20
    before_iteration = False

    def __init__(self, job: contract.Job) -> None:
        self._job = job

    def __call__(self, env: Any) -> None:
        for result in env.evaluation_result_list or ():
            self._job.say(f"[{env.iteration + 1}]\t{result[0]}'s {result[1]}: {result[2]:.6f}")
        if self._job.stopped():
            raise lightgbm.callback.EarlyStopException(env.iteration, env.evaluation_result_list)


# --- scoring -------------------------------------------------------------------------------------


class Model:
    """A LightGBM booster."""

    def __init__(self, booster: Any) -> None:
        self._booster = booster

    @property
    def n_features(self) -> int:
        return int(self._booster.num_feature())

    @property
    def booster(self) -> object:
        """The library's own model."""
        found: object = self._booster
        return found

    def predict(self, table: tables.Table) -> npt.NDArray[np.float64]:
        """Probabilities or values; a missing last column is a missing value, as in the XGBoost container."""
        features: Any = table.features
        if table.n_features < self.n_features and isinstance(features, np.ndarray):
            missing = np.full((table.n_rows, self.n_features - table.n_features), np.nan)
            features = np.hstack([features, missing])
        elif table.n_features < self.n_features:
            features.resize((table.n_rows, self.n_features))
        scores: npt.NDArray[np.float64] = self._booster.predict(features, num_threads=1)
        return scores


def load(model_dir: Path, *, allow_pickle: bool) -> Model:
    """The model in `lightgbm-model.txt`, or in the only text file there is. Raises contract.Refused.

    `allow_pickle` changes nothing: LightGBM's models are text.
    """
    path = model_dir / MODEL_FILE
    if not path.is_file():
        files = sorted(model_dir.glob("*.txt"))
        if len(files) != 1:
            raise contract.Refused(f"{model_dir} holds no {MODEL_FILE}")
        path = files[0]
    try:
        return Model(lightgbm.Booster(model_file=path))
    except lightgbm.basic.LightGBMError as exc:
        raise contract.Refused(f"Model at {path} cannot be loaded: {exc}") from exc
