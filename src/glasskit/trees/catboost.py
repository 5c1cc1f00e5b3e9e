"""CatBoost's JSON model (`save_model("model.json", format="json")`) -> the portable form.

A numeric split sends value > border right; both are float32. A symmetric tree asks one question per
level and numbers its leaves by the answers, the first split being the lowest bit; it is unfolded into
a tree whose root asks the *last* split, which is how CatBoost's own SHAP values weigh its branches
(path-dependent values depend on that order). Missing values go to the side that `nan_value_treatment`
names. One-hot splits ask whether a category's hash is a given one (texts.py). Categories turned into
target statistics (CTRs) depend on a table of the training data, and such models are refused.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from glasskit.trees import ensembles, errors, links, texts

_FORMAT = "CatBoost JSON"
_DEEPEST_SYMMETRIC = 16
_LOW_BITS = (1 << 32) - 1
Document: TypeAlias = Mapping[str, Any]
Floats = npt.NDArray[np.float64]

_LINKS: Mapping[str, links.LinkName] = {
    "Logloss": "logistic",
    "CrossEntropy": "logistic",
    "Focal": "logistic",
    "MultiClassOneVsAll": "logistic",
    "MultiLogloss": "logistic",
    "MultiCrossEntropy": "logistic",
    "MultiClass": "softmax",
    "Poisson": "exp",
    "Tweedie": "exp",
    **dict.fromkeys(
        (
            *(
                "RMSE",
                "MAE",
                "MAPE",
                "Quantile",
                "MultiQuantile",
                "LogLinQuantile",
                "Lq",
                "Expectile",
                "Huber",
            ),
            *(
                "MultiRMSE",
                "MultiRMSEWithMissingValues",
                "LogCosh",
                "QueryRMSE",
                "QuerySoftMax",
                "GroupQuantile",
            ),
            *(
                "PairLogit",
                "PairLogitPairwise",
                "YetiRank",
                "YetiRankPairwise",
                "StochasticRank",
                "LambdaMart",
            ),
            *("PythonUserDefinedPerObject", "PythonUserDefinedMultiTarget", "UserPerObjMetric"),
        ),
        "identity",
    ),
}


def looks_like(document: object) -> bool:
    """Whether a parsed JSON document is a CatBoost model."""
    return isinstance(document, dict) and "features_info" in document


def from_json(text: str | bytes) -> ensembles.Ensemble:
    """The ensemble of a JSON model's text."""
    try:
        document = json.loads(text)
    except json.JSONDecodeError as exc:
        raise errors.ModelUnreadable(_FORMAT, f"its JSON breaks at line {exc.lineno}: {exc.msg}") from exc
    except (UnicodeDecodeError, RecursionError) as exc:
        raise errors.ModelUnreadable(_FORMAT, "it is not JSON that could be a model") from exc
    return from_document(document)


def from_document(document: Document) -> ensembles.Ensemble:
    """The ensemble of a parsed model document."""
    try:
        return _ensemble(document)
    except errors.TreesError:
        raise
    except (LookupError, TypeError, AttributeError, ValueError, OverflowError, RecursionError) as exc:
        raise errors.ModelUnreadable(_FORMAT, f"a member is missing or has the wrong type ({exc})") from exc


def _ensemble(document: Document) -> ensembles.Ensemble:
    loss = _loss(document)
    if loss not in _LINKS:
        raise errors.ModelUnsupported(f"CatBoost's loss function {loss!r}")
    features = _features(document)
    scale, bias = float(document["scale_and_bias"][0]), document["scale_and_bias"][1]
    biases = tuple(float(each) for each in (bias if isinstance(bias, list) else [bias]))
    if not 0 < len(biases) <= ensembles.MOST_OUTPUTS:
        raise errors.ModelUnreadable(_FORMAT, f"it has {len(biases)} biases")
    is_symmetric = "oblivious_trees" in document
    trees: list[ensembles.Tree] = []
    for index, tree in enumerate(document["oblivious_trees" if is_symmetric else "trees"]):
        with errors.in_tree(_FORMAT, index):
            nodes = (_symmetric if is_symmetric else _grown)(tree, features, len(biases))
            trees += _trees(nodes, scale)
    return ensembles.Ensemble(
        trees=tuple(trees),
        feature_names=features.names,
        base_scores=biases,
        link=links.Link(name=_LINKS[loss]),
        objective=loss,
        source="catboost",
        float32_inputs=True,
        text_hashes=features.hashes,
    )


def _loss(document: Document) -> str:
    """The loss function's name; sums of models have it beside the parameters instead of among them."""
    info = document["model_info"]
    parameters = _unpacked(info.get("params", {}))
    loss = _unpacked(parameters.get("loss_function") or info.get("loss_function") or {})
    if "type" not in loss:
        raise errors.ModelUnsupported(
            "A CatBoost model that does not say which loss function it was trained with"
        )
    return str(loss["type"]).split(":")[0]


def _unpacked(member: Document | str) -> Document:
    """Some versions write members as JSON in a text."""
    return cast(Document, json.loads(member)) if isinstance(member, str) else member


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Features:
    """What splits need to know of the model's columns, by their flat number."""

    names: tuple[str, ...]
    numeric: Mapping[int, int]
    """CatBoost's number among numeric features -> flat number; `categorical` alike."""
    categorical: Mapping[int, int]
    nan_goes_right: frozenset[int]
    hashes: Mapping[int, tuple[int, ...]]
    members: Mapping[tuple[int, int], frozenset[int]]
    """(flat number, hash) -> the set of the split that asks for it."""


def _features(document: Document) -> _Features:
    info = document["features_info"]
    for kind, name in (("text_features", "text"), ("embedding_features", "embedding")):
        if info.get(kind):
            raise errors.ModelUnsupported(f"A CatBoost model with {name} features")
    numeric, categorical = info.get("float_features", []), info.get("categorical_features", [])
    _refuse_statistics(info, document)
    listed = [*numeric, *categorical]
    flat = [int(feature["flat_feature_index"]) for feature in listed]
    n_features = max(flat, default=-1) + 1
    if n_features > ensembles.MOST_FEATURES or len(set(flat)) != len(flat) or min(flat, default=0) < 0:
        raise errors.ModelUnreadable(_FORMAT, "its features are not numbered from 0 up")
    names = [f"x{index}" for index in range(n_features)]
    for feature, index in zip(listed, flat, strict=True):
        names[index] = str(feature.get("feature_name") or feature.get("feature_id") or names[index])
    hashes = {
        int(feature["flat_feature_index"]): tuple(
            sorted(int(value) & _LOW_BITS for value in feature["values"])
        )
        for feature in categorical
        if feature.get("values")
    }
    return _Features(
        names=tuple(names),
        numeric={int(feature["feature_index"]): int(feature["flat_feature_index"]) for feature in numeric},
        categorical={
            int(feature["feature_index"]): int(feature["flat_feature_index"]) for feature in categorical
        },
        nan_goes_right=frozenset(
            int(feature["flat_feature_index"])
            for feature in numeric
            if feature.get("nan_value_treatment") == "AsTrue"
        ),
        hashes=hashes,
        members=_members(hashes),
    )


def _refuse_statistics(info: Document, document: Document) -> None:
    if info.get("ctrs") or document.get("ctr_data"):
        raise errors.ModelUnsupported(
            "A CatBoost model that turns categories into target statistics (CTRs)",
            "Train it with one_hot_max_size at least as large as the largest number of categories "
            "(at most 255), or encode the categories as numbers first.",
        )


def _members(hashes: Mapping[int, tuple[int, ...]]) -> dict[tuple[int, int], frozenset[int]]:
    if not hashes:
        return {}
    plain = texts.plain_numbers(sorted({hashed for listed in hashes.values() for hashed in listed}))
    return {
        (feature, hashed): frozenset({texts.PLAIN + index, *plain[hashed]})
        for feature, listed in hashes.items()
        for index, hashed in enumerate(listed)
    }


@dataclasses.dataclass(slots=True, kw_only=True)
class _Node:
    """A node as it is found; `no` and `yes` are CatBoost's left and right."""

    values: Sequence[float]
    cover: float = 0.0
    feature: int = -1
    threshold: float = 0.0
    nan_says_no: bool = False
    categories: frozenset[int] | None = None
    no: int = -1
    yes: int = -1


def _asking(split: Document, features: _Features, n_outputs: int) -> _Node:
    kind, nothing = split.get("split_type", "FloatFeature"), (0.0,) * n_outputs
    if kind == "FloatFeature":
        feature = features.numeric[int(split["float_feature_index"])]
        border = float(np.float32(split["border"]))
        return _Node(
            values=nothing,
            feature=feature,
            threshold=border,
            nan_says_no=feature not in features.nan_goes_right,
        )
    if kind != "OneHotFeature":
        raise errors.ModelUnsupported(f"A CatBoost model with splits of the type {kind!r}")
    feature = features.categorical[int(split["cat_feature_index"])]
    members = features.members[feature, int(split["value"]) & _LOW_BITS]
    return _Node(values=nothing, feature=feature, categories=members)


def _symmetric(tree: Document, features: _Features, n_outputs: int) -> list[_Node]:
    splits = tree.get("splits") or []
    n_leaves = 1 << min(len(splits), _DEEPEST_SYMMETRIC + 1)
    values = np.array(tree["leaf_values"], dtype=np.float64)
    weights = np.array(tree.get("leaf_weights") or [0.0] * n_leaves, dtype=np.float64)
    if values.shape != (n_leaves * n_outputs,) or weights.shape != (n_leaves,):
        raise errors.ModelUnreadable(
            _FORMAT,
            f"a tree of {len(splits)} splits has {values.size} leaf values and {weights.size} weights",
        )
    leaves = values.reshape(n_leaves, n_outputs).tolist()
    nodes: list[_Node] = []

    def grow(level: int, prefix: int) -> int:
        number = len(nodes)
        if level < 0:
            nodes.append(_Node(values=leaves[prefix], cover=float(weights[prefix])))
            return number
        node = _asking(splits[level], features, n_outputs)
        nodes.append(node)
        node.no, node.yes = grow(level - 1, prefix), grow(level - 1, prefix | 1 << level)
        return number

    grow(len(splits) - 1, 0)
    return nodes


def _grown(tree: Document, features: _Features, n_outputs: int) -> list[_Node]:
    """The nodes of a tree that is no symmetric one, parents before their children."""
    nodes: list[_Node] = []
    waiting: list[tuple[Document, _Node | None, str]] = [(tree, None, "")]
    while waiting:
        document, parent, side = waiting.pop()
        if parent is not None:
            setattr(parent, side, len(nodes))
        if "split" not in document:
            nodes.append(_leaf(document, n_outputs))
            continue
        node = _asking(document["split"], features, n_outputs)
        nodes.append(node)
        waiting += [(document["right"], node, "yes"), (document["left"], node, "no")]
    return nodes


def _leaf(document: Document, n_outputs: int) -> _Node:
    value = document["value"]
    values = [float(each) for each in (value if isinstance(value, list) else [value])]
    if len(values) != n_outputs:
        raise errors.ModelUnreadable(_FORMAT, f"a leaf has {len(values)} values for {n_outputs} outputs")
    return _Node(values=values, cover=float(document.get("weight", 0.0)))


def _trees(nodes: Sequence[_Node], scale: float) -> list[ensembles.Tree]:
    """One tree per output, alike but for their leaves."""
    for node in reversed(nodes):
        if node.no >= 0:
            node.cover = nodes[node.no].cover + nodes[node.yes].cover
    values = np.array([node.values for node in nodes], dtype=np.float64) * scale
    asks_set = np.array([node.categories is not None for node in nodes], dtype=np.bool_)
    no, yes = (np.array([getattr(node, side) for node in nodes], dtype=np.int64) for side in ("no", "yes"))
    return [
        ensembles.Tree(
            feature=np.array([node.feature for node in nodes], dtype=np.int64),
            test=np.where(asks_set, ensembles.Test.IN_SET, ensembles.Test.LESS_EQUAL).astype(np.int8),
            threshold=np.array([node.threshold for node in nodes], dtype=np.float64),
            missing=np.full(len(nodes), ensembles.Missing.NAN, dtype=np.int8),
            default_left=np.array([node.nan_says_no for node in nodes], dtype=np.bool_),
            left=np.where(asks_set, yes, no),
            right=np.where(asks_set, no, yes),
            value=values[:, output],
            cover=np.array([node.cover for node in nodes], dtype=np.float64),
            categories={
                number: node.categories for number, node in enumerate(nodes) if node.categories is not None
            },
            output=output,
        )
        for output in range(values.shape[1])
    ]
