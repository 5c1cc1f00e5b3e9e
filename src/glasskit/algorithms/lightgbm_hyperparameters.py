"""The hyperparameters of the built-in LightGBM, what each may be, and how its log tells its metrics.

Source: Amazon SageMaker developer guide, "LightGBM hyperparameters"; `objective`, `num_class` and `seed` are ours.
"""

from __future__ import annotations

from collections.abc import Mapping

from glasskit.algorithms import hyperparameters as hp

METRICS = tuple(
    "auto rmse l1 l2 huber fair binary_logloss binary_error auc average_precision multi_logloss multi_error auc_mu "
    "cross_entropy mape quantile poisson gamma tweedie".split()
)
OBJECTIVES = tuple(
    "auto binary multiclass multiclassova regression regression_l1 huber fair poisson quantile mape gamma tweedie "
    "cross_entropy".split()
)

METRIC_PATTERNS: Mapping[str, str] = {
    f"{channel}:{metric}": rf"\[[0-9]+\]\s{channel}'s {metric}: {hp.NUMBER}"
    for channel in ("train", "validation")
    for metric in METRICS
    if metric != "auto"
}
"""Metric name to the regular expression that finds its values in a training log."""


def _weights_once(values: Mapping[str, str]) -> list[str]:
    if values.get("is_unbalance", "False").lower() == "true" and float(values["scale_pos_weight"]) != 1:
        return ["Hyperparameters is_unbalance and scale_pos_weight exclude each other"]
    return []


SCHEMA = hp.Schema(
    algorithm="lightgbm",
    aliases={"num_iterations": "num_boost_round", "eta": "learning_rate", "boosting_type": "boosting"},
    checks=(_weights_once,),
    parameters=(
        hp.integer("num_boost_round", 1, default="100"),
        hp.integer("early_stopping_rounds", 1, default="10"),
        hp.choice("metric", *METRICS, default="auto"),
        hp.choice("objective", *OBJECTIVES, default="auto"),
        hp.integer("num_class", 2),
        hp.real("learning_rate", 0, 1, ends="(]", default="0.1"),
        hp.integer("num_leaves", 2, 131072, default="64"),
        hp.real("feature_fraction", 0, 1, ends="(]", default="0.9"),
        hp.real("bagging_fraction", 0, 1, ends="(]", default="0.9"),
        hp.integer("bagging_freq", 0, default="1"),
        hp.integer("max_depth", default="6"),
        hp.integer("min_data_in_leaf", 0, default="3"),
        hp.real("max_delta_step", default="0.0"),
        hp.real("lambda_l1", 0, default="0.0"),
        hp.real("lambda_l2", 0, default="0.0"),
        hp.choice("boosting", "gbdt", "rf", "dart", "goss", default="gbdt"),
        hp.real("min_gain_to_split", 0, default="0.0"),
        hp.real("scale_pos_weight", 0, ends="(]", default="1.0"),
        hp.choice("tree_learner", "serial", "feature", "data", "voting", default="serial"),
        hp.real("feature_fraction_bynode", 0, 1, ends="(]", default="1.0"),
        hp.choice("is_unbalance", "True", "False", "true", "false", default="False"),
        hp.integer("max_bin", 2, default="255"),
        hp.real("tweedie_variance_power", 1, 2, ends="[)", default="1.5"),
        hp.integer("num_threads", 0, default="0"),
        hp.integer("seed", 0, 2**31 - 1, default="0"),
        hp.integer("verbosity", -1, 3, default="1"),
    ),
)
