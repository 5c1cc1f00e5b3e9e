"""LightGBM's text model -> the portable form.

The text is `key=value` lines: a header, one block per `Tree=i`, then importances and parameters.
Children >= 0 are inner nodes, ~child is a leaf. `decision_type` packs: bit 0 categorical, bit 1
default left, bits 2-3 the missing type. DART's and shrinkage's factors are already in the leaves.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from glasskit.trees import ensembles, errors, links

_FORMAT = "LightGBM text"
_CATEGORICAL = 1
_DEFAULT_LEFT = 2
_BITS_PER_WORD = 32
_MISSING = (ensembles.Missing.NONE, ensembles.Missing.ZERO, ensembles.Missing.NAN)

_LINKS: Mapping[str, links.LinkName] = {
    "binary": "logistic",
    "cross_entropy": "logistic",
    "xentropy": "logistic",
    "multiclassova": "logistic",
    "multiclass": "softmax",
    "cross_entropy_lambda": "log1p_exp",
    "xentlambda": "log1p_exp",
    "poisson": "exp",
    "gamma": "exp",
    "tweedie": "exp",
    "regression": "identity",
    "regression_l1": "identity",
    "huber": "identity",
    "fair": "identity",
    "quantile": "identity",
    "mape": "identity",
    "lambdarank": "identity",
    "rank_xendcg": "identity",
    "custom": "identity",
    "": "identity",
}


def from_text(text: str) -> ensembles.Ensemble:
    """The ensemble of a LightGBM text model (`Booster.save_model`, `Booster.model_to_string`)."""
    try:
        return _ensemble(text)
    except errors.TreesError:
        raise
    except (ValueError, OverflowError) as exc:
        raise errors.ModelUnreadable(_FORMAT, f"it contradicts itself ({exc})") from exc


def _ensemble(text: str) -> ensembles.Ensemble:
    header, blocks = _split(text)
    names = tuple(_require(header, "feature_names").split())
    per_round = int(_require(header, "num_tree_per_iteration"))
    if not 0 < per_round <= ensembles.MOST_OUTPUTS:
        raise errors.ModelUnreadable(_FORMAT, f"it adds {per_round} trees per iteration")
    trees = []
    for index, block in enumerate(blocks):
        with errors.in_tree(_FORMAT, index):
            trees.append(_tree(block, index % per_round))
    objective = header.get("objective", "")
    return ensembles.Ensemble(
        trees=tuple(trees),
        feature_names=names,
        base_scores=(0.0,) * per_round,
        divisor=float(len(trees) // per_round) if "average_output" in header and trees else 1.0,
        link=_link(objective),
        objective=objective,
        source="lightgbm",
        levels=_levels(text, header.get("feature_infos", "").split()),
    )


def looks_like(text: str) -> bool:
    """Whether the text starts as a LightGBM model does."""
    return text.lstrip().startswith("tree\n") or text.lstrip().startswith("tree\r\n")


def _split(text: str) -> tuple[dict[str, str], list[dict[str, str]]]:
    if not looks_like(text):
        raise errors.ModelUnreadable(_FORMAT, "it does not start with the line 'tree'")
    body, end, _ = text.replace("\r\n", "\n").partition("\nend of trees")
    if not end:
        raise errors.ModelUnreadable(_FORMAT, "the line 'end of trees' is missing, so it was cut off")
    head, *blocks = re.split(r"^Tree=\d+\n", body, flags=re.MULTILINE)
    return _fields(head), [_fields(block) for block in blocks]


def _fields(block: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for line in block.splitlines():
        key, _, value = line.strip().partition("=")
        fields[key] = value
    return fields


def _levels(text: str, infos: Sequence[str]) -> dict[int, tuple[str | int | float | bool, ...]]:
    """The values of the columns that had pandas' type category, by feature: the text's last lines list them.

    The text does not say to which columns they belong. They are taken for the categorical ones where as many
    are listed and no code exceeds them; where not (columns of ordered or of numeric categories), none are known.
    """
    listed = re.search(r"^pandas_categorical:(.+)$", text, flags=re.MULTILINE)
    columns = re.search(r"^\[categorical_feature: ([\d,]+)\]$", text, flags=re.MULTILINE)
    levels = json.loads(listed.group(1)) if listed else None
    features = [int(index) for index in columns.group(1).split(",")] if columns else []
    if not levels or len(features) != len(levels) or max(features) >= len(infos):
        return {}
    pairs = list(zip(features, levels, strict=True))
    if any(_highest_code(infos[feature]) >= len(values) for feature, values in pairs):
        return {}
    return {feature: tuple(values) for feature, values in pairs if len(values)}


def _highest_code(info: str) -> int:
    """Of a categorical feature's codes ("-1:2:0"); of one that is never asked for ("none") -1."""
    return max((int(code) for code in info.split(":")), default=-1) if re.fullmatch(r"[-\d:]+", info) else -1


def _require(fields: Mapping[str, str], key: str) -> str:
    if key not in fields:
        raise errors.ModelUnreadable(_FORMAT, f"it has no '{key}'")
    return fields[key]


def _link(objective: str) -> links.Link:
    name, *options = objective.split()
    name = name if objective else ""
    if name not in _LINKS:
        raise errors.ModelUnsupported(f"LightGBM's objective {name!r}")
    if name == "regression" and "sqrt" in options:
        return links.Link(name="signed_square")
    scale = next((float(option.removeprefix("sigmoid:")) for option in options if "sigmoid:" in option), 1.0)
    return links.Link(name=_LINKS[name], scale=scale)


def _tree(block: Mapping[str, str], output: int) -> ensembles.Tree:
    if block.get("is_linear", "0").strip() == "1":
        raise errors.ModelUnsupported(
            "A LightGBM model with linear trees", "Train it with linear_tree=false to explain it exactly."
        )
    n_leaves = int(_require(block, "num_leaves"))
    values = _numbers(block, "leaf_value", n_leaves)
    counts = _numbers(block, "leaf_count", n_leaves) if block.get("leaf_count") else np.zeros(n_leaves)
    if n_leaves == 1:
        return _stump(values, np.maximum(counts, 1.0), output)
    return _branching(block, values, counts, output)


def _stump(values: ensembles.Floats, counts: ensembles.Floats, output: int) -> ensembles.Tree:
    return ensembles.Tree(
        feature=np.array([-1]),
        test=np.zeros(1, dtype=np.int8),
        threshold=np.zeros(1),
        missing=np.zeros(1, dtype=np.int8),
        default_left=np.zeros(1, dtype=np.bool_),
        left=np.array([-1]),
        right=np.array([-1]),
        value=values,
        cover=counts,
        output=output,
    )


def _branching(
    block: Mapping[str, str], values: ensembles.Floats, counts: ensembles.Floats, output: int
) -> ensembles.Tree:
    """Inner nodes keep their numbers 0..m-1, leaf i becomes node m + i."""
    n_inner, n_leaves = len(values) - 1, len(values)
    decisions = _integers(block, "decision_type", n_inner)
    thresholds = _numbers(block, "threshold", n_inner)
    categorical = (decisions & _CATEGORICAL) != 0
    missing = (decisions >> 2) & 3
    if (missing > max(_MISSING)).any():
        raise errors.ModelUnreadable(_FORMAT, "a decision_type has an unknown missing type")
    missing[categorical] = ensembles.Missing.NAN
    default_left = ((decisions & _DEFAULT_LEFT) != 0) & ~categorical
    no_leaf = np.zeros(n_leaves)

    def children(key: str) -> ensembles.Indices:
        raw = _integers(block, key, n_inner)
        return np.concatenate([np.where(raw < 0, n_inner + ~raw, raw), no_leaf.astype(np.int64) - 1])

    return ensembles.Tree(
        feature=np.concatenate([_integers(block, "split_feature", n_inner), no_leaf.astype(np.int64) - 1]),
        test=np.concatenate([np.where(categorical, ensembles.Test.IN_SET_TRUNCATED, 0), no_leaf]).astype(
            np.int8
        ),
        threshold=np.concatenate([np.where(categorical, 0.0, thresholds), no_leaf]),
        missing=np.concatenate([missing, no_leaf]).astype(np.int8),
        default_left=np.concatenate([default_left, no_leaf]).astype(np.bool_),
        left=children("left_child"),
        right=children("right_child"),
        value=np.concatenate([np.zeros(n_inner), values]),
        cover=np.concatenate([_inner_counts(block, n_inner, counts), counts]),
        categories=_category_sets(block, np.flatnonzero(categorical), thresholds),
        output=output,
    )


def _inner_counts(block: Mapping[str, str], n_inner: int, counts: ensembles.Floats) -> ensembles.Floats:
    if not counts.any():
        return np.zeros(n_inner)
    return _numbers(block, "internal_count", n_inner)


def _category_sets(
    block: Mapping[str, str], nodes: ensembles.Indices, thresholds: ensembles.Floats
) -> dict[int, frozenset[int]]:
    """A category node's threshold is the index of its bitset; `cat_boundaries` says where it lies."""
    if not len(nodes):
        return {}
    boundaries = _integers(block, "cat_boundaries")
    words = _integers(block, "cat_threshold")
    sets: dict[int, frozenset[int]] = {}
    for node in nodes.tolist():
        index = int(thresholds[node])
        if not 0 <= index < len(boundaries) - 1:
            raise errors.ModelUnreadable(_FORMAT, f"node {node} has no category set {index}")
        sets[node] = _members(words[boundaries[index] : boundaries[index + 1]])
    return sets


def _members(words: ensembles.Indices) -> frozenset[int]:
    return frozenset(
        position * _BITS_PER_WORD + bit
        for position, word in enumerate(words.tolist())
        for bit in range(_BITS_PER_WORD)
        if word >> bit & 1
    )


def _numbers(block: Mapping[str, str], key: str, length: int) -> ensembles.Floats:
    return np.array(_words(block, key, length, float), dtype=np.float64)


def _integers(block: Mapping[str, str], key: str, length: int | None = None) -> ensembles.Indices:
    return np.array(_words(block, key, length, int), dtype=np.int64)


def _words(
    block: Mapping[str, str], key: str, length: int | None, kind: Callable[[str], float]
) -> list[float]:
    try:
        numbers = [kind(word) for word in _require(block, key).split()]
    except ValueError as exc:
        raise errors.ModelUnreadable(_FORMAT, f"'{key}' holds something that is not a number") from exc
    if length is not None and len(numbers) != length:
        raise errors.ModelUnreadable(_FORMAT, f"'{key}' has {len(numbers)} entries instead of {length}")
    return numbers
