"""Trains the credit model: a script-mode entry point.

Channels: schemas, data_train, label_train, data_test, label_test, policies. Writes model.txt (LightGBM's own
text), preprocessor.json, data.schema.json, features.schema.json, evaluation.json, the policies with their
baselines in policies/, and the explainer's own code in code/, so that the artifact serves without fetching
anything. Nothing is pickled.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightgbm
import numpy as np
import numpy.typing as npt
from sklearn import metrics, model_selection

from glasskit import trees

if TYPE_CHECKING or __package__:
    from glasshouse.solutions.credit.training import deciding, features, ways
else:
    import deciding
    import features
    import ways

Labels = npt.NDArray[np.bool_]
Rows = list[dict[str, Any]]
SERVING = ("inference.py", "features.py", "deciding.py", "ways.py")
ROWS_PER_THREAD = 10_000
CHANNELS = ("schemas", "data_train", "label_train", "data_test", "label_test", "policies")


class BadChannel(ValueError):
    """A channel does not hold what the model needs."""


def main(argv: Sequence[str] | None = None, *, environment: Mapping[str, str] = os.environ) -> None:
    """Reads the channels, cross-validates, trains, evaluates and saves."""
    arguments = _arguments(argv)
    folders = {name: Path(environment[f"SM_CHANNEL_{name.upper()}"]) for name in CHANNELS}
    policies = deciding.read_policies(folders["policies"])
    if not policies:
        raise BadChannel("policies holds no policy to decide by")
    rules = ways.load(folders["policies"] / deciding.RECOURSE)
    schema = _json(folders["schemas"] / "data.schema.json")
    label = features.names_of(_json(folders["schemas"] / "label.schema.json"))[0]
    train, y_train = _examples(folders["data_train"], folders["label_train"], schema, label)
    test, y_test = _examples(folders["data_test"], folders["label_test"], schema, label)
    # On few rows threads wait for each other longer than they work.
    n_threads = min(int(environment.get("SM_NUM_CPUS", "1")), max(1, len(train) // ROWS_PER_THREAD))

    scores = _cross_validate(arguments, schema, train, y_train, n_threads=n_threads)
    print(f"train_auc_cv: {np.mean(scores):.4f} (+/- {2 * np.std(scores):.4f})", flush=True)

    encoder = features.Encoder.fit(train, schema)
    rules.require_fits(encoder)
    model = _fit(arguments, encoder, train, y_train, n_threads=n_threads)
    evaluation = _evaluate(model, encoder, train, y_train, test, y_test)
    evaluation["train_auc_cv"], evaluation["train_auc_cv_folds"] = float(np.mean(scores)), scores
    for name in ("train_auc", "test_auc", "test_log_loss"):
        print(f"{name}: {evaluation[name]:.4f}", flush=True)
    evaluation["hyperparameters"] = vars(arguments)
    folder = Path(environment["SM_MODEL_DIR"])
    _save(folder, model, encoder, schema, evaluation)
    shutil.copytree(folders["policies"], folder / "policies")
    explainer = trees.Explainer(trees.load(folder / "model.txt"))
    found = deciding.baselines(policies, encoder, explainer, train)
    (folder / "policies" / deciding.BASELINES).write_text(
        json.dumps(found, indent=2) + "\n", encoding="utf-8"
    )


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The hyperparameters; what is not given is as LightGBM has it."""
    parser = argparse.ArgumentParser(description="Train the credit model.")
    parser.add_argument("--tree-n-estimators", type=int, default=100)
    parser.add_argument("--tree-max-depth", type=int, default=2)
    parser.add_argument("--tree-min-child-samples", type=int, default=20)
    parser.add_argument("--tree-boosting-type", choices=("gbdt", "dart"), default="gbdt")
    parser.add_argument("--tree-learning-rate", type=float, default=0.1)
    parser.add_argument("--tree-l2", type=float, default=0.0, help="L2 penalty on the values of the leaves")
    parser.add_argument("--tree-feature-share", type=float, default=1.0, help="features each tree may use")
    parser.add_argument("--tree-row-share", type=float, default=1.0, help="rows each tree is grown on")
    parser.add_argument(
        "--monotone-increasing", type=_names, default=(), help="fields that never lower the risk"
    )
    parser.add_argument(
        "--monotone-decreasing", type=_names, default=(), help="fields that never raise the risk"
    )
    parser.add_argument("--cv-folds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=42)
    return parser.parse_args(argv)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _json(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def _json_lines(folder: Path) -> Rows:
    """The rows of all files of the folder, in the order of their names."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*")) if path.is_file()]
    return [json.loads(line) for text in texts for line in text.splitlines() if line.strip()]


def _examples(data: Path, labels: Path, schema: features.Schema, label: str) -> tuple[Rows, Labels]:
    rows = [features.validate(row, schema) for row in _json_lines(data)]
    truth = [bool(row[label]) for row in _json_lines(labels)]
    if len(rows) != len(truth):
        raise BadChannel(f"{data.name} has {len(rows)} rows, {labels.name} has {len(truth)}")
    if len(set(truth)) != 2:
        raise BadChannel(f"{labels.name} needs both outcomes among its {len(truth)} rows")
    return rows, np.array(truth, dtype=np.bool_)


def _cross_validate(
    arguments: argparse.Namespace, schema: features.Schema, rows: Rows, y: Labels, *, n_threads: int
) -> list[float]:
    """The AUC on each held-out fold; categories are learnt from the other folds alone."""
    folds = model_selection.StratifiedKFold(arguments.cv_folds, shuffle=True, random_state=arguments.seed)
    scores = []
    for fitted, held_out in folds.split(np.zeros(len(y)), y):
        some = [rows[i] for i in fitted]
        encoder = features.Encoder.fit(some, schema)
        model = _fit(arguments, encoder, some, y[fitted], n_threads=n_threads)
        predictions = model.predict(encoder.transform([rows[i] for i in held_out]))
        scores.append(float(metrics.roc_auc_score(y[held_out], predictions)))
    return scores


def _fit(
    arguments: argparse.Namespace, encoder: features.Encoder, rows: Rows, y: Labels, *, n_threads: int
) -> lightgbm.Booster:
    """Same rows and parameters, same model: LightGBM is told to be deterministic."""
    parameters = {
        "objective": "binary",
        "boosting": arguments.tree_boosting_type,
        "max_depth": arguments.tree_max_depth,
        "num_leaves": 2**arguments.tree_max_depth if arguments.tree_max_depth > 0 else 31,
        "min_data_in_leaf": arguments.tree_min_child_samples,
        "learning_rate": arguments.tree_learning_rate,
        "lambda_l2": arguments.tree_l2,
        "feature_fraction": arguments.tree_feature_share,
        "bagging_fraction": arguments.tree_row_share,
        "bagging_freq": 1 if arguments.tree_row_share < 1 else 0,
        "monotone_constraints": _directions(arguments, encoder),
        "seed": arguments.seed,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": n_threads,
        "verbosity": -1,
    }
    data = lightgbm.Dataset(encoder.transform(rows), label=y.astype(np.float64), feature_name=encoder.names)
    return lightgbm.train(parameters, data, num_boost_round=arguments.tree_n_estimators)


def _directions(arguments: argparse.Namespace, encoder: features.Encoder) -> list[int]:
    """1, -1 or 0 for each feature: the sign that its effect on the risk must have."""
    given = dict.fromkeys(arguments.monotone_increasing, 1)
    given |= dict.fromkeys(arguments.monotone_decreasing, -1)
    unknown = sorted(set(given) - set(encoder.numeric))
    if unknown:
        raise BadChannel(f"only numeric fields can be monotone; {unknown[0]} is not one")
    return [given.get(name, 0) for name in encoder.names]


def _evaluate(
    model: lightgbm.Booster,
    encoder: features.Encoder,
    train: Rows,
    y_train: Labels,
    test: Rows,
    y_test: Labels,
) -> dict[str, Any]:
    auc: Callable[..., float] = metrics.roc_auc_score
    on_test = model.predict(encoder.transform(test))
    return {
        "n_train": len(train),
        "n_test": len(test),
        "train_auc": float(auc(y_train, model.predict(encoder.transform(train)))),
        "test_auc": float(auc(y_test, on_test)),
        "test_log_loss": float(metrics.log_loss(y_test, on_test)),
        "test_brier": float(metrics.brier_score_loss(y_test, on_test)),
        "lightgbm": lightgbm.__version__,
    }


def _save(
    folder: Path,
    model: lightgbm.Booster,
    encoder: features.Encoder,
    schema: features.Schema,
    evaluation: dict[str, Any],
) -> None:
    (folder / "code").mkdir(parents=True, exist_ok=True)
    for name in SERVING:
        shutil.copyfile(Path(__file__).with_name(name), folder / "code" / name)
    model.save_model(folder / "model.txt")
    encoder.save(folder / "preprocessor.json")
    documents = {
        "data.schema.json": schema,
        "features.schema.json": encoder.schema(schema),
        "evaluation.json": evaluation,
    }
    for name, document in documents.items():
        (folder / name).write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
