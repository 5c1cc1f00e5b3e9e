"""XGBoost's JSON and UBJ models -> the portable form.

Values and thresholds are float32 and a row goes left when value < threshold. A categorical node
sends its listed categories right; here the children are swapped, so that "in the set" is left
everywhere. DART's `weight_drop` is multiplied into the leaves. `base_score` is stored as a
prediction ("5E-1", or since 3.1 "[5E-1]" with one number per output) and becomes a margin.
"""

from __future__ import annotations

import decimal
import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast

import numpy as np

from glasskit.trees import ensembles, errors, links, ubj

_FORMAT = "XGBoost"
Document: TypeAlias = Mapping[str, Any]

_LINKS: Mapping[str, links.LinkName] = {
    "binary:logistic": "logistic",
    "reg:logistic": "logistic",
    "binary:logitraw": "identity",
    "binary:hinge": "step",
    "multi:softmax": "argmax",
    "multi:softprob": "softmax",
    "count:poisson": "exp",
    "reg:gamma": "exp",
    "reg:tweedie": "exp",
    "survival:cox": "exp",
    "survival:aft": "exp",
    "reg:squarederror": "identity",
    "reg:linear": "identity",
    "reg:squaredlogerror": "identity",
    "reg:pseudohubererror": "identity",
    "reg:absoluteerror": "identity",
    "reg:quantileerror": "identity",
    "rank:pairwise": "identity",
    "rank:ndcg": "identity",
    "rank:map": "identity",
}
_STORED_AS_PROBABILITY = frozenset({"binary:logistic", "reg:logistic"})
_NO_NODE = -1


def from_json(text: str | bytes) -> ensembles.Ensemble:
    """The ensemble of `Booster.save_model("model.json")`."""
    try:
        document = json.loads(text)
    except json.JSONDecodeError as exc:
        raise errors.ModelUnreadable(_FORMAT, f"its JSON breaks at line {exc.lineno}: {exc.msg}") from exc
    except (UnicodeDecodeError, RecursionError) as exc:
        raise errors.ModelUnreadable(_FORMAT, "it is not JSON that could be a model") from exc
    return from_document(document)


def from_ubj(data: bytes) -> ensembles.Ensemble:
    """The ensemble of `Booster.save_model("model.ubj")`."""
    document = ubj.loads(data)
    if not isinstance(document, dict):
        raise errors.ModelUnreadable(_FORMAT, "its outermost value is not an object")
    return from_document(document)


def from_document(document: Document) -> ensembles.Ensemble:
    """The ensemble of a parsed model document."""
    try:
        return _ensemble(document["learner"])
    except errors.TreesError:
        raise
    except (LookupError, TypeError, AttributeError, ValueError, OverflowError) as exc:
        raise errors.ModelUnreadable(_FORMAT, f"a member is missing or has the wrong type ({exc})") from exc


def _ensemble(learner: Document) -> ensembles.Ensemble:
    objective = str(learner["objective"]["name"])
    if objective not in _LINKS:
        raise errors.ModelUnsupported(f"XGBoost's objective {objective!r}")
    parameters = learner["learner_model_param"]
    n_outputs = max(1, int(parameters["num_class"]), int(parameters.get("num_target", 1)))
    n_features = int(parameters["num_feature"])
    if n_outputs > ensembles.MOST_OUTPUTS or n_features > ensembles.MOST_FEATURES:
        raise errors.ModelUnreadable(_FORMAT, f"it claims {n_features} features and {n_outputs} outputs")
    model, weights = _booster(learner["gradient_booster"])
    tree_outputs = [int(output) for output in model["tree_info"]]
    trees = []
    for index, (tree, output, weight) in enumerate(zip(model["trees"], tree_outputs, weights, strict=True)):
        with errors.in_tree(_FORMAT, index):
            trees.append(_tree(tree, output=output, weight=weight))
    return ensembles.Ensemble(
        trees=tuple(trees),
        feature_names=_names(learner, n_features),
        base_scores=_base_scores(str(parameters["base_score"]), objective, n_outputs),
        link=links.Link(name=_LINKS[objective]),
        objective=objective,
        source="xgboost",
        float32_inputs=True,
        levels=_levels(model.get("cats", {}).get("enc", ())),
    )


def _levels(encodings: Sequence[Document]) -> dict[int, tuple[str | int | float | bool, ...]]:
    """The values of a data frame's categories, by feature: texts lie one behind the other, cut at `offsets`.

    XGBoost 3.2 cuts UTF-8 by the number of characters, so texts that are not ASCII are damaged: left out.
    """
    levels: dict[int, tuple[str | int | float | bool, ...]] = {}
    for feature, encoding in enumerate(encodings):
        values: list[str | int | float | bool] = np.asarray(encoding["values"]).tolist()
        if "offsets" in encoding:
            cuts = [int(offset) for offset in encoding["offsets"]]
            joined = bytes(int(value) & 0xFF for value in values)
            if not joined.isascii():
                continue
            values = [joined[start:end].decode() for start, end in itertools.pairwise(cuts)]
        if values:
            levels[feature] = tuple(values)
    return levels


def _booster(booster: Document) -> tuple[Document, list[float]]:
    """The tree model and the weight of each tree."""
    name = booster["name"]
    if name == "gblinear":
        raise errors.ModelUnsupported("XGBoost's linear booster (gblinear)", "It has no trees.")
    if name == "dart":
        return booster["gbtree"]["model"], [float(np.float32(weight)) for weight in booster["weight_drop"]]
    return booster["model"], [1.0] * len(booster["model"]["trees"])


def _names(learner: Document, n_features: int) -> tuple[str, ...]:
    names = tuple(str(name) for name in learner.get("feature_names") or ())
    return names or tuple(f"f{index}" for index in range(n_features))


def _base_scores(stored: str, objective: str, n_outputs: int) -> tuple[float, ...]:
    try:
        scores = [float(np.float32(word)) for word in stored.strip("[] ").split(",")]
    except ValueError as exc:
        raise errors.ModelUnreadable(_FORMAT, f"its base_score is {stored!r}") from exc
    if len(scores) == 1:
        scores *= n_outputs
    if len(scores) != n_outputs:
        raise errors.ModelUnreadable(_FORMAT, f"it has {len(scores)} base scores for {n_outputs} outputs")
    return tuple(_margin(score, objective) for score in scores)


def _margin(score: float, objective: str) -> float:
    """The margin whose prediction is `score`, rounded correctly, hence the same on every machine."""
    exactly, number = decimal.Context(prec=60), decimal.Decimal(score)
    try:
        if objective in _STORED_AS_PROBABILITY:
            margin = float(exactly.ln(exactly.divide(number, exactly.subtract(1, number))))
        else:
            margin = float(exactly.ln(number)) if _LINKS[objective] == "exp" else score
    except (decimal.InvalidOperation, decimal.DivisionByZero) as exc:
        raise errors.ModelUnreadable(_FORMAT, f"a base score of {score} has no margin") from exc
    if not np.isfinite(margin):
        raise errors.ModelUnreadable(_FORMAT, f"a base score of {score} has no margin")
    return margin


def _tree(document: Document, *, output: int, weight: float) -> ensembles.Tree:
    if int(document["tree_param"].get("size_leaf_vector", 1)) > 1:
        raise errors.ModelUnsupported(
            "An XGBoost model with vector leaves", "Train it with multi_strategy='one_output_per_tree'."
        )
    kept = _reachable(document)
    is_leaf = np.array(document["left_children"], dtype=np.int64)[kept] == _NO_NODE
    conditions = np.array(document["split_conditions"], dtype=np.float32)[kept].astype(np.float64)
    in_set = _split_types(document)[kept] & ~is_leaf
    left, right = (_renumbered(document[side], kept) for side in ("left_children", "right_children"))
    default_left = np.array(document["default_left"], dtype=np.int64)[kept] != 0
    return ensembles.Tree(
        feature=np.where(is_leaf, -1, np.array(document["split_indices"], dtype=np.int64)[kept]),
        test=np.where(in_set, ensembles.Test.IN_SET, ensembles.Test.LESS).astype(np.int8),
        threshold=np.where(is_leaf | in_set, 0.0, conditions),
        missing=np.full(len(kept), ensembles.Missing.NAN, dtype=np.int8),
        default_left=default_left ^ in_set,
        left=np.where(in_set, right, left),
        right=np.where(in_set, left, right),
        value=np.where(is_leaf, conditions * weight, 0.0),
        cover=np.array(document["sum_hessian"], dtype=np.float32)[kept].astype(np.float64),
        categories=_category_sets(document, kept, in_set),
        output=output,
    )


def _reachable(document: Document) -> list[int]:
    """Node numbers below the root, root first; pruned nodes stay in the file but not in the tree."""
    left, right = document["left_children"], document["right_children"]
    kept: list[int] = []
    waiting = [0]
    while waiting and len(kept) <= len(left):
        node = waiting.pop()
        kept.append(node)
        if left[node] != _NO_NODE:
            waiting += [int(right[node]), int(left[node])]
    if len(kept) > len(left):
        raise errors.ModelUnreadable(_FORMAT, "the nodes of a tree form a ring")
    return kept


def _renumbered(children: object, kept: list[int]) -> ensembles.Indices:
    new_number = {old: new for new, old in enumerate(kept)}
    old_children = np.array(children, dtype=np.int64)[kept].tolist()
    return np.array([new_number.get(child, _NO_NODE) for child in old_children], dtype=np.int64)


def _split_types(document: Document) -> ensembles.Bools:
    n_nodes = len(document["left_children"])
    return np.array(document.get("split_type", [0] * n_nodes), dtype=np.int64).astype(np.bool_)


def _category_sets(document: Document, kept: list[int], in_set: ensembles.Bools) -> dict[int, frozenset[int]]:
    listed: dict[int, frozenset[int]] = {}
    if in_set.any():
        columns = [document[f"categories_{part}"] for part in ("nodes", "segments", "sizes")]
        for node, start, size in zip(*columns, strict=True):
            members = document["categories"][int(start) : int(start) + int(size)]
            listed[int(node)] = frozenset(int(cast(int, member)) for member in members)
    return {new: listed[old] for new, old in enumerate(kept) if in_set[new]}
