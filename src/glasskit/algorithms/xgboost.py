"""The built-in XGBoost: SageMaker's contract around the XGBoost library, adding nothing to the training itself.

The model is the one that `xgboost.train` makes from the same rows and hyperparameters, bit for bit. It is saved as
`xgboost-model` in XGBoost's own UBJSON (not as a pickle, so that reading it runs no code).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xgboost as xgb

from glasskit import metrics
from glasskit.algorithms import checkpoints, contract, hyperparameters, xgboost_hyperparameters
from glasskit.data import readers, tables

if TYPE_CHECKING:
    import numpy.typing as npt

SCHEMA = xgboost_hyperparameters.SCHEMA
MODEL_FILE = "xgboost-model"
CHECKPOINT_PREFIX = "xgboost-checkpoint"

_CONTAINER_ONLY = frozenset(
    {"num_round", "csv_weights", "early_stopping_rounds", "eval_metric", "silent"}
    | {"save_model_on_termination", "_tuning_objective_metric"}
)
_TAB = "#011"
"""How syslog wrote a tab; the regular expressions of SageMaker's XGBoost metrics expect it."""


def train(job: contract.Job) -> None:
    """Trains on the channel `train`, watching `validation` when there is one, and writes the model."""
    read = SCHEMA.read(job.hyperparameters)
    for remark in read.remarks:
        job.say(remark)
    training = _matrix(job, "train", has_weights=read.integer("csv_weights") == 1)
    if training is None:
        raise contract.Refused("Missing required channel: train")
    watched = [(training, "train")]
    if (validation := _matrix(job, "validation", has_weights=False)) is not None:
        if validation.num_col() > training.num_col():
            raise contract.Refused(
                f"The validation channel has {validation.num_col()} features and train has {training.num_col()}"
            )
        watched.append((validation, "validation"))
    for matrix, name in watched:
        job.say(f"{name} matrix has {matrix.num_row()} rows and {matrix.num_col()} columns")
        _check_labels(read, matrix, name)
    booster = _fit(job, read, watched)
    job.model_dir.mkdir(parents=True, exist_ok=True)
    (job.model_dir / MODEL_FILE).write_bytes(booster.save_raw("ubj"))


def _matrix(job: contract.Job, name: str, *, has_weights: bool) -> xgb.DMatrix | None:
    channel = contract.channel(job, name)
    if channel is None:
        return None
    table = readers.read(channel.path, channel.content_type or "text/libsvm", has_weights=has_weights)
    if table.label is None:
        raise contract.Refused(f"The channel {name} carries no label")
    return xgb.DMatrix(table.features, label=table.label, weight=table.weights)


def _check_labels(read: hyperparameters.Read, matrix: xgb.DMatrix, name: str) -> None:
    """Raises contract.Refused in SageMaker's words: the library's own depend on what else is wrong."""
    objective, label = read.values.get("objective", ""), matrix.get_label()
    if (
        objective in ("binary:logistic", "binary:logitraw", "reg:logistic")
        and not ((label >= 0) & (label <= 1)).all()
    ):
        raise contract.Refused(f"label must be in [0,1] for logistic regression (channel {name})")
    if objective.startswith("multi:"):
        n_classes = read.integer("num_class") or 0
        if not ((label >= 0) & (label < n_classes)).all():
            raise contract.Refused(f"label must be in [0, num_class) (channel {name}, num_class {n_classes})")


def parameters(read: hyperparameters.Read) -> dict[str, Any]:
    """What is passed to xgboost.train: the user's own texts, without what only the container understands."""
    passed: dict[str, Any] = {
        name: value for name, value in read.values.items() if name not in _CONTAINER_ONLY
    }
    if passed.get("objective") == "reg:linear":
        passed["objective"] = "reg:squarederror"
    if read.values.get("silent") == "1":
        passed.setdefault("verbosity", "0")
    if "updater" in passed:
        passed["updater"] = ",".join(read.words("updater"))
    if own := [
        metric for metric in _wanted_metrics(read) if metric not in xgboost_hyperparameters.OWN_METRICS
    ]:
        passed["eval_metric"] = own
    elif _wanted_metrics(read):
        passed["disable_default_eval_metric"] = "1"
    return passed


def _wanted_metrics(read: hyperparameters.Read) -> list[str]:
    """eval_metric in the order given, then the metric that a tuner asked for."""
    wanted = read.words("eval_metric")
    tuned = read.values.get("_tuning_objective_metric", "").partition(":")[2]
    return list(dict.fromkeys([*wanted, *([tuned] if tuned else [])]))


def _fit(
    job: contract.Job, read: hyperparameters.Read, watched: list[tuple[xgb.DMatrix, str]]
) -> xgb.Booster:
    rounds = read.integer("num_round") or 0
    start, resumed = 0, None
    if job.checkpoints is not None and (resumed := _resume(job)) is not None:
        start = resumed.num_boosted_rounds()
    callbacks: list[xgb.callback.TrainingCallback] = [_Log(job, start)]
    if job.checkpoints is not None:
        callbacks.append(_Checkpoints(job.checkpoints))
    own = [metric for metric in _wanted_metrics(read) if metric in xgboost_hyperparameters.OWN_METRICS]
    try:
        return xgb.train(
            parameters(read),
            watched[0][0],
            num_boost_round=rounds - start,
            evals=watched,
            custom_metric=_own_metrics(own, read.values.get("objective", "")) if own else None,
            early_stopping_rounds=read.integer("early_stopping_rounds"),
            maximize=_maximise(read),
            callbacks=callbacks,
            xgb_model=resumed,
            verbose_eval=False,
        )
    except (xgb.core.XGBoostError, ValueError) as exc:
        raise contract.Refused(f"XGBoost refused to train: {_first_lines(str(exc))}") from exc


def _first_lines(text: str) -> str:
    """A library error without its stack trace and its `[time] file:line: ` in front."""
    first = text.partition("Stack trace")[0].strip()
    return re.sub(r"^\[[\d:]+\] \S+:\d+: ", "", first)


def _maximise(read: hyperparameters.Read) -> bool | None:
    """Which way early stopping looks; XGBoost cannot know it of the container's own metrics."""
    wanted = _wanted_metrics(read)
    if not wanted or read.integer("early_stopping_rounds") is None:
        return None
    own = [metric for metric in wanted if metric in xgboost_hyperparameters.OWN_METRICS]
    return (own or wanted)[-1].partition("@")[0] in xgboost_hyperparameters.MAXIMISED


def _own_metrics(
    names: list[str], objective: str
) -> Callable[[npt.NDArray[Any], xgb.DMatrix], list[tuple[str, float]]]:
    """XGBoost's custom_metric for metrics of ours; it gets probabilities, classes or values."""

    def evaluate(predicted: npt.NDArray[Any], matrix: xgb.DMatrix) -> list[tuple[str, float]]:
        label = matrix.get_label()
        if predicted.ndim == 2:
            classes = predicted.argmax(axis=1)
        else:
            classes = predicted > 0 if objective == "binary:logitraw" else np.rint(predicted)
        found = [metrics.find(name) for name in names]
        return [
            (metric.name, metric.of(label, classes if metric.kind == "label" else predicted))
            for metric in found
        ]

    return evaluate


def _resume(job: contract.Job) -> xgb.Booster | None:
    """The newest checkpoint that can be read."""
    if job.checkpoints is None:
        return None
    for checkpoint in reversed(checkpoints.found(job.checkpoints, CHECKPOINT_PREFIX)):
        booster = xgb.Booster()
        try:
            booster.load_model(bytearray(checkpoint.path.read_bytes()))
        except xgb.core.XGBoostError:
            job.say(f"Checkpoint {checkpoint.path.name} cannot be read and is passed over")
            continue
        job.say(f"Checkpoint loaded from {checkpoint.path}")
        job.say(f"Resuming from iteration {booster.num_boosted_rounds()}")
        return booster
    return None


class _Log(xgb.callback.TrainingCallback):
    """Prints `[round]#011train-logloss:0.5#011validation-logloss:0.5` and ends the training when told to stop."""

    def __init__(self, job: contract.Job, start: int) -> None:
        super().__init__()
        self._job = job
        self._start = start

    def after_iteration(
        self, model: Any, epoch: int, evals_log: Mapping[str, Mapping[str, list[Any]]]
    ) -> bool:
        scores = [
            f"{data}-{metric}:{log[-1]:.5f}"
            for data, metrics_of_data in evals_log.items()
            for metric, log in metrics_of_data.items()
        ]
        self._job.say(_TAB.join([f"[{self._start + epoch}]", *scores]))
        return self._job.stopped()


class _Checkpoints(xgb.callback.TrainingCallback):
    """Saves the model after every round."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def after_iteration(self, model: Any, epoch: int, evals_log: Mapping[str, Any]) -> bool:
        done = model.num_boosted_rounds()
        checkpoints.save(self._folder, CHECKPOINT_PREFIX, done - 1, bytes(model.save_raw("ubj")))
        return False


# --- scoring -------------------------------------------------------------------------------------


class Model:
    """A booster; after early stopping only the rounds up to the best one score."""

    def __init__(self, booster: xgb.Booster) -> None:
        self._booster = booster
        best = booster.attr("best_iteration")
        self._rounds = (0, int(best) + 1) if best is not None else (0, 0)

    @property
    def n_features(self) -> int:
        return int(self._booster.num_features())

    @property
    def booster(self) -> xgb.Booster:
        """The rounds that score."""
        first, end = self._rounds
        return self._booster[first:end] if end else self._booster

    def predict(self, table: tables.Table) -> npt.NDArray[np.float64]:
        """Scores as XGBoost's float32, for matrices no wider than the model."""
        matrix = xgb.DMatrix(table.features, nthread=1)
        scores: npt.NDArray[np.float64] = self._booster.predict(
            matrix, iteration_range=self._rounds, validate_features=False
        )
        return scores


def load(model_dir: Path, *, allow_pickle: bool) -> Model:
    """The model in `xgboost-model`, or in the only file there is. Raises contract.Refused."""
    path = _model_file(model_dir)
    raw = path.read_bytes()
    booster = xgb.Booster()
    if raw[:1] == b"\x80":
        booster = _unpickled(raw, path, allow_pickle=allow_pickle)
    else:
        try:
            booster.load_model(bytearray(raw))
        except xgb.core.XGBoostError as exc:
            raise contract.Refused(f"Model at {path} cannot be loaded: {_first_lines(str(exc))}") from exc
    booster.set_param({"nthread": 1})
    return Model(booster)


def _model_file(model_dir: Path) -> Path:
    named = model_dir / MODEL_FILE
    if named.is_file():
        return named
    files = [path for path in sorted(model_dir.iterdir()) if path.is_file() and not path.name.startswith(".")]
    if len(files) != 1:
        raise contract.Refused(f"{model_dir} holds {len(files)} files and none is named {MODEL_FILE}")
    return files[0]


def _unpickled(raw: bytes, path: Path, *, allow_pickle: bool) -> xgb.Booster:
    if not allow_pickle:
        raise contract.Refused(f"Model at {path} is a pickle, which is not read outside a sandbox")
    import pickle  # models of SageMaker's own container are pickles; only a sandbox allows them

    try:
        booster = pickle.loads(raw)  # noqa: S301  # the same
    except (pickle.UnpicklingError, xgb.core.XGBoostError, EOFError, AttributeError, ImportError) as exc:
        raise contract.Refused(f"Model at {path} cannot be loaded: {_first_lines(str(exc))}") from exc
    if not isinstance(booster, xgb.Booster):
        raise contract.Refused(f"Model at {path} is a pickled {type(booster).__name__}, not a Booster")
    return booster
