"""The portable form of a tree ensemble: frozen arrays with every library's semantics spelled out.

A row walks from node 0 of each tree to a leaf. At an inner node it goes left when

* `Test.LESS_EQUAL`   value <= threshold   (LightGBM, scikit-learn)
* `Test.LESS`         value <  threshold   (XGBoost)
* `Test.IN_SET`       the value's integer part is one of the node's categories; what is not a
                      category at all (negative, infinite, never seen) is in no set (XGBoost)
* `Test.IN_SET_TRUNCATED`  the same, but values between -1 and 0 are category 0 (LightGBM)

unless the value counts as missing there, when it goes the node's default way:

* `Missing.NAN`       NaN is missing
* `Missing.ZERO`      zero is missing, and NaN is read as zero (LightGBM's `zero_as_missing`)
* `Missing.NONE`      nothing is missing, and NaN is read as zero (LightGBM saw no NaN in training)
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from glasskit.trees import errors, links, texts

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

ZERO_TOLERANCE = float(np.float32(1e-35))
"""Magnitudes up to this are zero to LightGBM (`kZeroThreshold`)."""


MOST_OUTPUTS = 1 << 16
"""A model that claims more outputs than this is taken for damaged."""

MOST_FEATURES = 10_000_000
"""A model that claims more features than this is taken for damaged."""

CATEGORY_LIMIT = 1 << 24
"""Categories are whole numbers below this, in XGBoost by its own rule."""


class Test(enum.IntEnum):
    """What an inner node asks."""

    __test__ = False  # not a pytest class

    LESS_EQUAL = 0
    LESS = 1
    IN_SET = 2
    IN_SET_TRUNCATED = 3


class Missing(enum.IntEnum):
    """Which values an inner node sends its default way."""

    NONE = 0
    ZERO = 1
    NAN = 2


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tree:
    """One tree; every array has one entry per node, and node 0 is the root.

    left, right: children, -1 at leaves. value: margin a leaf adds. cover: training weight that
    reached the node (0 everywhere when the model does not say: it predicts but cannot be explained).
    categories: the sets of the nodes that ask for one. output: which of the ensemble's outputs the tree adds to.
    """

    feature: npt.NDArray[np.int64]
    test: npt.NDArray[np.int8]
    threshold: npt.NDArray[np.float64]
    missing: npt.NDArray[np.int8]
    default_left: npt.NDArray[np.bool_]
    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]
    cover: npt.NDArray[np.float64]
    categories: Mapping[int, frozenset[int]] = dataclasses.field(default_factory=dict)
    output: int = 0

    def __post_init__(self) -> None:
        for name, kind in _NODE_ARRAYS.items():
            object.__setattr__(self, name, _frozen_array(getattr(self, name), kind))
        object.__setattr__(self, "categories", MappingProxyType(dict(self.categories)))
        self._check()

    @property
    def n_nodes(self) -> int:
        return len(self.feature)

    @property
    def is_leaf(self) -> npt.NDArray[np.bool_]:
        return self.left < 0

    def _check(self) -> None:
        lengths = {name: len(getattr(self, name)) for name in _NODE_ARRAYS}
        if len(set(lengths.values())) != 1 or self.n_nodes == 0:
            raise errors.ModelUnreadable("tree", f"its node arrays have lengths {lengths}")
        inner = ~self.is_leaf
        children = np.concatenate([self.left[inner], self.right[inner]])
        if sorted(children.tolist()) != list(range(1, self.n_nodes)):
            raise errors.ModelUnreadable("tree", "a node is not the child of exactly one other node")
        if not _all_below_root(self.left, self.right):
            raise errors.ModelUnreadable("tree", "its nodes form a ring")
        in_set = inner & (self.test >= Test.IN_SET)
        self._refuse(inner & ~in_set & np.isnan(self.threshold), "threshold", "is not a number")
        self._refuse(self.is_leaf & ~np.isfinite(self.value), "leaf value", "is not finite")
        self._refuse(~np.isfinite(self.cover) | (self.cover < 0), "cover", "is negative or not finite")
        if any(
            not 0 <= category < CATEGORY_LIMIT for listed in self.categories.values() for category in listed
        ):
            raise errors.ModelUnreadable("tree", f"a category is not in 0..{CATEGORY_LIMIT - 1}")
        if set(self.categories) != set(np.flatnonzero(in_set).tolist()):
            raise errors.ModelUnreadable("tree", "category sets and category nodes do not match")

    def _refuse(self, wrong: npt.NDArray[np.bool_], what: str, why: str) -> None:
        if wrong.any():
            node = int(np.argmax(wrong))
            asks = f", which asks for feature {self.feature[node]}," if self.left[node] >= 0 else ""
            raise errors.ModelUnreadable("tree", f"the {what} of its node {node}{asks} {why}")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ensemble:
    """Trees whose leaf values are summed in order, then divided, then given to the link.

    margin[k] = base_scores[k] + sum(leaf values of the trees of output k) / divisor
    float32_inputs: values are rounded to float32 before they are compared (XGBoost).
    text_hashes: the features whose categories may be texts, with the hashes their sets know (texts.py).
    levels: the features that were a data frame's categories, with their values in the order of their codes.
    """

    trees: tuple[Tree, ...]
    feature_names: tuple[str, ...]
    base_scores: tuple[float, ...] = (0.0,)
    divisor: float = 1.0
    link: links.Link = dataclasses.field(default_factory=links.Link)
    objective: str = ""
    source: str = "portable"
    float32_inputs: bool = False
    text_hashes: Mapping[int, tuple[int, ...]] = dataclasses.field(default_factory=dict)
    levels: Mapping[int, tuple[str | int | float | bool, ...]] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", MappingProxyType(dict(self.levels)))
        object.__setattr__(self, "text_hashes", MappingProxyType(dict(self.text_hashes)))
        if len(set(self.feature_names)) != len(self.feature_names):
            raise errors.ModelUnreadable("ensemble", "two features have the same name")
        if not np.isfinite(self.base_scores).all() or not self.base_scores:
            raise errors.ModelUnreadable("ensemble", f"its base scores are {self.base_scores}")
        for index, tree in enumerate(self.trees):
            used = tree.feature[~tree.is_leaf]
            if ((used < 0) | (used >= self.n_features)).any():
                raise errors.ModelUnreadable("ensemble", f"tree {index} tests a feature it does not name")
            if not 0 <= tree.output < self.n_outputs:
                raise errors.ModelUnreadable("ensemble", f"tree {index} adds to output {tree.output}")
        for feature, hashes in self.text_hashes.items():
            if not 0 <= feature < self.n_features or len(hashes) > texts.MOST_HASHES:
                raise errors.ModelUnreadable("ensemble", f"it lists texts for feature {feature}")
        for feature, levels in self.levels.items():
            if not 0 <= feature < self.n_features or not levels or len(set(levels)) != len(levels):
                raise errors.ModelUnreadable("ensemble", f"it lists the levels {levels} of feature {feature}")

    @property
    def n_features(self) -> int:
        return len(self.feature_names)

    @property
    def n_outputs(self) -> int:
        """Margins per row: 1, or the number of classes."""
        return len(self.base_scores)

    @property
    def predicts_probabilities(self) -> bool:
        """Whether every output, after the link, is the probability of one outcome."""
        if self.link.name == "identity":
            return self.source == "scikit-learn" and self.objective.endswith("Classifier")
        return self.link.name in ("logistic", "softmax")


_NODE_ARRAYS: Mapping[str, type[np.generic]] = MappingProxyType(
    {
        "feature": np.int64,
        "test": np.int8,
        "threshold": np.float64,
        "missing": np.int8,
        "default_left": np.bool_,
        "left": np.int64,
        "right": np.int64,
        "value": np.float64,
        "cover": np.float64,
    }
)


def _frozen_array(values: npt.ArrayLike, kind: type[np.generic]) -> npt.NDArray[np.generic]:
    array = np.array(values, dtype=kind)
    array.setflags(write=False)
    return array


def _all_below_root(left: npt.NDArray[np.int64], right: npt.NDArray[np.int64]) -> bool:
    seen, waiting = 0, [0]
    while waiting and seen <= len(left):
        node = waiting.pop()
        seen += 1
        if left[node] >= 0:
            waiting += [int(left[node]), int(right[node])]
    return seen == len(left) and not waiting
