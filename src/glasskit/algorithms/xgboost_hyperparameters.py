"""The hyperparameters of the built-in XGBoost, and what each may be.

Source: Amazon SageMaker developer guide, "XGBoost hyperparameters", and the names that older images accepted
(`silent`, `sketch_eps`, `predictor` ...), which the installed XGBoost no longer knows.
"""

from __future__ import annotations

from collections.abc import Mapping

from glasskit.algorithms import hyperparameters as hp

OBJECTIVES = (
    "binary:logistic",
    "binary:logitraw",
    "binary:hinge",
    "count:poisson",
    "multi:softmax",
    "multi:softprob",
    "reg:linear",
    "reg:squarederror",
    "reg:logistic",
    "reg:gamma",
    "reg:pseudohubererror",
    "reg:absoluteerror",
    "reg:squaredlogerror",
    "reg:tweedie",
    "survival:aft",
    "survival:cox",
)
"""Ranking objectives are missing: none of the input formats carries query groups."""

OWN_METRICS = (
    "accuracy",
    "balanced_accuracy",
    "f1",
    "f1_binary",
    "f1_macro",
    "mse",
    "precision",
    "precision_macro",
    "precision_micro",
    "r2",
    "recall",
    "recall_macro",
    "recall_micro",
)
"""Metrics that SageMaker's container adds to XGBoost's own."""

LIBRARY_METRICS = (
    "aft-nloglik",
    "auc",
    "aucpr",
    "cox-nloglik",
    "error",
    "gamma-deviance",
    "gamma-nloglik",
    "interval-regression-accuracy",
    "logloss",
    "mae",
    "map",
    "mape",
    "merror",
    "mlogloss",
    "mphe",
    "ndcg",
    "poisson-nloglik",
    "rmse",
    "rmsle",
    "tweedie-nloglik",
)

MAXIMISED = frozenset({*OWN_METRICS, "auc", "aucpr", "map", "ndcg"}) - {"mse"}

METRIC_PATTERNS: Mapping[str, str] = {
    f"{channel}:{metric}": rf".*\[[0-9]+\].*#011{channel}-{metric}:{hp.NUMBER}"
    for channel in ("train", "validation")
    for metric in (*LIBRARY_METRICS, *OWN_METRICS)
}
"""Metric name to the regular expression that finds its values in a training log, as SageMaker declares them."""

_UPDATERS = frozenset(
    {"grow_colmaker", "grow_histmaker", "grow_quantile_histmaker", "sync", "refresh", "prune"}
    | {"shotgun", "coord_descent"}
)
_GONE = "this version of XGBoost has removed it"


def is_metric(word: str) -> bool:
    """Whether a metric is known; `error@t`, `ndcg@n` and `map@n` carry a threshold."""
    name, at, threshold = word.partition("@")
    if not at:
        return name in LIBRARY_METRICS or name in OWN_METRICS
    try:
        float(threshold.rstrip("-"))
    except ValueError:
        return False
    return name in ("error", "ndcg", "map")


def _constraints(value: object) -> str:
    if isinstance(value, list) and all(item in (-1, 0, 1) for item in value):
        return ""
    return "is not a tuple of -1, 0 and 1"


def _groups(value: object) -> str:
    nested = isinstance(value, list) and all(isinstance(group, list) for group in value)
    return "" if nested else "is not a nested list of feature numbers"


def _tuning_metric(text: str) -> str:
    _, colon, metric = text.partition(":")
    return "" if colon and is_metric(metric) else "is not `validation:<metric>`"


def _dependencies(values: Mapping[str, str]) -> list[str]:
    problems = []
    objective = values.get("objective", "reg:squarederror")
    if objective.startswith("multi:") and "num_class" not in values:
        problems.append("Require input for parameter 'num_class' for multi-classification")
    if "num_class" in values and not objective.startswith("multi:"):
        problems.append(
            "Do not need to setup parameter 'num_class' for learning task other than multi-classification."
        )
    if values.get("tree_method") == "gpu_hist":
        problems.append(
            "Hyperparameter tree_method: 'gpu_hist' needs a GPU, which this runtime does not have"
        )
    return problems


SCHEMA = hp.Schema(
    algorithm="xgboost",
    aliases={
        "learning_rate": "eta",
        "min_split_loss": "gamma",
        "reg_lambda": "lambda",
        "reg_alpha": "alpha",
    },
    checks=(_dependencies,),
    parameters=(
        hp.integer("num_round", 1, required=True),
        hp.integer("num_class", 2),
        hp.integer("csv_weights", 0, 1),
        hp.integer("early_stopping_rounds", 1),
        hp.choice("booster", "gbtree", "gblinear", "dart"),
        hp.integer("silent", 0, 1),
        hp.integer("verbosity", 0, 3),
        hp.integer("nthread", 1),
        hp.real("eta", 0, 1),
        hp.real("gamma", 0),
        hp.integer("max_depth", 0),
        hp.real("min_child_weight", 0),
        hp.real("max_delta_step", 0),
        hp.real("subsample", 0, 1, ends="(]"),
        hp.real("colsample_bytree", 0, 1, ends="(]"),
        hp.real("colsample_bylevel", 0, 1, ends="(]"),
        hp.real("colsample_bynode", 0, 1, ends="(]"),
        hp.real("lambda", 0),
        hp.real("alpha", 0),
        hp.choice("tree_method", "auto", "exact", "approx", "hist", "gpu_hist"),
        hp.real("scale_pos_weight", 0, ends="(]"),
        hp.several("updater", lambda word: word in _UPDATERS, f"words of {', '.join(sorted(_UPDATERS))}"),
        hp.integer("refresh_leaf", 0, 1),
        hp.choice("process_type", "default", "update"),
        hp.choice("grow_policy", "depthwise", "lossguide"),
        hp.integer("max_leaves", 0),
        hp.integer("max_bin", 2),
        hp.literal("monotone_constraints", _constraints),
        hp.literal("interaction_constraints", _groups),
        hp.choice("sample_type", "uniform", "weighted"),
        hp.choice("normalize_type", "tree", "forest"),
        hp.real("rate_drop", 0, 1),
        hp.integer("one_drop", 0, 1),
        hp.real("skip_drop", 0, 1),
        hp.real("tweedie_variance_power", 1, 2, ends="()"),
        hp.choice("objective", *OBJECTIVES),
        hp.real("base_score", 0),
        hp.several("eval_metric", is_metric, "metrics of XGBoost"),
        hp.integer("seed", -(2**31) + 1, 2**31 - 1),
        hp.integer("num_parallel_tree", 1),
        hp.choice("aft_loss_distribution", "normal", "logistic", "extreme"),
        hp.real("aft_loss_distribution_scale", 0, ends="(]"),
        hp.real("huber_slope", 0, ends="(]"),
        hp.choice("save_model_on_termination", "true", "false"),
        hp.Parameter(name="_tuning_objective_metric", check=_tuning_metric),
        hp.real("lambda_bias", 0, 1, removed=_GONE),
        hp.real("sketch_eps", 0, 1, ends="()", removed=_GONE),
        hp.choice("dsplit", "row", "col", removed=_GONE),
        hp.choice("predictor", "auto", "cpu_predictor", "gpu_predictor", removed=_GONE),
        hp.choice("deterministic_histogram", "true", "false", removed="histograms are always deterministic"),
        hp.choice("single_precision_histogram", "true", "false", removed=_GONE),
    ),
)
