"""Fitted scikit-learn estimators, as live objects, -> the portable form. Nothing is unpickled here.

Trees and forests compare float32 values with float64 thresholds, HistGradientBoosting compares
float64. A classifier of two classes has one output, the probability (or the log-odds) of the
second; one of K classes has K. Forests average, so margins are sums divided by the number of
trees; scikit-learn adds them in the order its threads finish, and starts boosting's sums with the
prior, so its last bits may differ from ours.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from glasskit.trees import ensembles, errors, links

_TREES = frozenset(
    f"{kind}{task}" for kind in ("DecisionTree", "ExtraTree") for task in ("Classifier", "Regressor")
)
_FORESTS = frozenset(
    f"{kind}{task}" for kind in ("RandomForest", "ExtraTrees") for task in ("Classifier", "Regressor")
)
_BOOSTED = frozenset({"GradientBoostingClassifier", "GradientBoostingRegressor"})
_HISTOGRAM = frozenset({"HistGradientBoostingClassifier", "HistGradientBoostingRegressor"})
_EXP_LOSSES = frozenset({"HalfPoissonLoss", "HalfGammaLoss"})
_WORD = 32


def is_estimator(source: object) -> bool:
    """Whether this is an estimator of scikit-learn's tree modules."""
    return type(source).__module__.startswith(("sklearn.tree", "sklearn.ensemble"))


def from_estimator(model: Any) -> ensembles.Ensemble:
    """The ensemble of a fitted estimator. Raises ModelUnsupported or ModelUnreadable."""
    name = type(model).__name__
    if not hasattr(model, "n_features_in_"):
        raise errors.ModelUnreadable("scikit-learn", "it has not been fitted")
    if np.ndim(getattr(model, "n_classes_", 0)) > 0 or getattr(model, "n_outputs_", 1) > 1:
        raise errors.ModelUnsupported("A scikit-learn model with several targets")
    if name in _TREES:
        return _averaged(model, [model])
    if name in _FORESTS:
        return _averaged(model, model.estimators_)
    if name in _BOOSTED:
        return _boosted(model)
    if name in _HISTOGRAM:
        return _histogram(model)
    raise errors.ModelUnsupported(f"scikit-learn's {name}")


def _names(model: Any) -> tuple[str, ...]:
    names = getattr(model, "feature_names_in_", None)
    if names is None:
        return tuple(f"x{index}" for index in range(model.n_features_in_))
    return tuple(str(name) for name in names)


def _averaged(model: Any, estimators: Sequence[Any]) -> ensembles.Ensemble:
    n_classes = len(getattr(model, "classes_", ()))
    trees = []
    for estimator in estimators:
        values = estimator.tree_.value[:, 0, :]
        if n_classes:
            values = values / values.sum(axis=1, keepdims=True)
            values = values[:, 1:] if n_classes == 2 else values
        trees += [_tree(estimator.tree_, values[:, k], k) for k in range(values.shape[1])]
    return ensembles.Ensemble(
        trees=tuple(trees),
        feature_names=_names(model),
        base_scores=(0.0,) * (n_classes if n_classes > 2 else 1),
        divisor=float(len(estimators)),
        objective=type(model).__name__,
        source="scikit-learn",
        float32_inputs=True,
    )


def _boosted(model: Any) -> ensembles.Ensemble:
    start = model.init_
    if not (isinstance(start, str) or type(start).__name__.startswith("Dummy")):
        raise errors.ModelUnsupported("A GradientBoosting model that starts from another estimator")
    bases = model._raw_predict_init(np.zeros((1, model.n_features_in_), dtype=np.float32))[0]
    trees = tuple(
        _tree(estimator.tree_, estimator.tree_.value[:, 0, 0] * model.learning_rate, k)
        for stage in model.estimators_
        for k, estimator in enumerate(stage)
    )
    link = links.Link()
    if hasattr(model, "classes_"):
        name: links.LinkName = "logistic" if len(bases) == 1 else "softmax"
        link = links.Link(name=name, scale=2.0 if model.loss == "exponential" else 1.0)
    return ensembles.Ensemble(
        trees=trees,
        feature_names=_names(model),
        base_scores=tuple(float(base) for base in bases),
        link=link,
        objective=str(model.loss),
        source="scikit-learn",
        float32_inputs=True,
    )


def _tree(tree: Any, values: npt.NDArray[np.float64], output: int) -> ensembles.Tree:
    is_leaf = tree.children_left < 0
    default_left = getattr(tree, "missing_go_to_left", np.zeros(len(is_leaf)))
    return ensembles.Tree(
        feature=np.where(is_leaf, -1, tree.feature),
        test=np.full(len(is_leaf), ensembles.Test.LESS_EQUAL, dtype=np.int8),
        threshold=np.where(is_leaf, 0.0, tree.threshold),
        missing=np.full(len(is_leaf), ensembles.Missing.NAN, dtype=np.int8),
        default_left=np.asarray(default_left) != 0,
        left=tree.children_left,
        right=tree.children_right,
        value=np.where(is_leaf, values, 0.0),
        cover=tree.weighted_n_node_samples,
        output=output,
    )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Encoding:
    """How HistGradientBoosting numbers columns and categories inside."""

    feature: Sequence[int]
    categories: Mapping[int, Sequence[int]]
    """By inner column: the raw category of every code."""


def _histogram(model: Any) -> ensembles.Ensemble:
    encoding = _encoding(model)
    trees = tuple(
        _histogram_tree(predictor, k, encoding)
        for stage in model._predictors
        for k, predictor in enumerate(stage)
    )
    bases = np.ravel(model._baseline_prediction).tolist()
    if hasattr(model, "classes_"):
        link = links.Link(name="logistic" if len(bases) == 1 else "softmax")
    else:
        link = links.Link(name="exp" if type(model._loss).__name__ in _EXP_LOSSES else "identity")
    return ensembles.Ensemble(
        trees=trees,
        feature_names=_names(model),
        base_scores=tuple(bases),
        link=link,
        objective=type(model._loss).__name__,
        source="scikit-learn",
    )


def _encoding(model: Any) -> _Encoding:
    n_features = model.n_features_in_
    preprocessor = getattr(model, "_preprocessor", None)
    if preprocessor is None:
        return _Encoding(feature=range(n_features), categories={})
    is_categorical = np.asarray(model.is_categorical_)
    raw = [*np.flatnonzero(is_categorical).tolist(), *np.flatnonzero(~is_categorical).tolist()]
    listed = preprocessor.named_transformers_["encoder"].categories_
    categories: dict[int, list[int]] = {}
    for column, members in enumerate(listed):
        numbers = np.array([number for number in members.tolist() if number == number])
        if numbers.dtype.kind not in "fiu" or (numbers != np.floor(numbers)).any() or (numbers < 0).any():
            raise errors.ModelUnsupported(
                "A HistGradientBoosting model whose categories are not whole numbers from 0 up",
                "Encode them first.",
            )
        categories[column] = numbers.astype(np.int64).tolist()
    return _Encoding(feature=raw, categories=categories)


def _histogram_tree(predictor: Any, output: int, encoding: _Encoding) -> ensembles.Tree:
    nodes = predictor.nodes
    is_leaf = nodes["is_leaf"] != 0
    default_left = nodes["missing_go_to_left"] != 0
    in_set = (nodes["is_categorical"] != 0) & ~is_leaf
    left = np.where(is_leaf, -1, nodes["left"].astype(np.int64))
    right = np.where(is_leaf, -1, nodes["right"].astype(np.int64))
    # An unknown category goes where a missing value goes, and what is in no set goes right:
    # where missing values go left, the node asks for the other categories with its children swapped.
    swapped = in_set & default_left
    sets = {
        node: _members(predictor, nodes[node], encoding, swapped=bool(swapped[node]))
        for node in np.flatnonzero(in_set).tolist()
    }
    inner_features = np.array(encoding.feature, dtype=np.int64)
    return ensembles.Tree(
        feature=np.where(is_leaf, -1, inner_features[np.where(is_leaf, 0, nodes["feature_idx"])]),
        test=np.where(in_set, ensembles.Test.IN_SET, ensembles.Test.LESS_EQUAL).astype(np.int8),
        threshold=np.where(is_leaf | in_set, 0.0, nodes["num_threshold"]),
        missing=np.full(len(nodes), ensembles.Missing.NAN, dtype=np.int8),
        default_left=default_left & ~swapped,
        left=np.where(swapped, right, left),
        right=np.where(swapped, left, right),
        value=np.where(is_leaf, nodes["value"], 0.0),
        cover=nodes["count"].astype(np.float64),
        categories=sets,
        output=output,
    )


def _members(predictor: Any, node: Any, encoding: _Encoding, *, swapped: bool) -> frozenset[int]:
    words = predictor.raw_left_cat_bitsets[int(node["bitset_idx"])]
    known = encoding.categories[int(node["feature_idx"])]
    goes_left = {code for code in range(len(known)) if int(words[code // _WORD]) >> (code % _WORD) & 1}
    return frozenset(raw for code, raw in enumerate(known) if (code in goes_left) != swapped)
