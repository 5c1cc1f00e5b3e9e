"""Every leaf of an ensemble, seen as the set of conditions that lead to it.

On its way to a leaf a path may test a feature several times; for the Shapley value only the
*distinct* features matter. A row satisfies a feature on the path when it goes the path's way at
every node that tests the feature. The feature's *fraction* is the share of training weight that
goes the path's way at those nodes, multiplied along the path: what the path-dependent game uses
for a feature that is not in the coalition. Leaves are kept in groups with equally many distinct
features, so that a group is a few rectangular arrays.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from glasskit.trees import ensembles, errors

Matrix = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Leaves:
    """L leaves whose paths test k distinct features each.

    Condition c demands that the row goes left (or not) at one node; conditions are sorted by leaf and
    feature, and `starts` says where those of each of the L * k (leaf, feature) pairs begin.
    """

    features: Indices  # (L, k)
    fractions: Matrix  # (L, k), in 0..1
    values: Matrix  # (L,)
    outputs: Indices  # (L,)
    condition_nodes: Indices  # (C,), numbered over the whole forest
    condition_left: Bools  # (C,)
    starts: Indices  # (L * k,)

    @property
    def n_features_each(self) -> int:
        return int(self.features.shape[1])

    def satisfied(self, left: Bools) -> Matrix:
        """1.0 where a row (of `evaluate.goes_left`) satisfies a leaf's feature, else 0.0; (n, L, k)."""
        if not self.n_features_each:
            return np.ones((len(left), *self.features.shape))
        met = left[:, self.condition_nodes] == self.condition_left
        pairs = np.logical_and.reduceat(met, self.starts, axis=1)
        return pairs.reshape(len(left), *self.features.shape).astype(np.float64)

    def reach(self) -> Matrix:
        """The share of training weight that arrives at each leaf; (L,)."""
        return np.asarray(self.fractions.prod(axis=1))


@dataclasses.dataclass(slots=True, kw_only=True)
class _Path:
    value: float
    output: int
    fractions: dict[int, float]
    conditions: dict[int, list[tuple[int, bool]]]


def leaves_by_length(ensemble: ensembles.Ensemble) -> tuple[Leaves, ...]:
    """All leaves of the ensemble, grouped by the number of distinct features on their path."""
    groups: dict[int, list[_Path]] = {}
    first_node = 0
    for tree in ensemble.trees:
        for path in _paths(tree, first_node):
            groups.setdefault(len(path.fractions), []).append(path)
        first_node += tree.n_nodes
    return tuple(_packed(groups[length], length) for length in sorted(groups))


def require_covers(ensemble: ensembles.Ensemble) -> None:
    """Raises ModelUnsupported when a tree does not say how many training rows it saw."""
    for index, tree in enumerate(ensemble.trees):
        if not tree.cover[0] > 0:
            raise errors.ModelUnsupported(
                f"The explanation of a model whose tree {index} does not say how many training rows it saw",
                "It predicts, but path-dependent SHAP values are defined by those covers.",
            )


def _paths(tree: ensembles.Tree, first_node: int) -> Iterator[_Path]:
    """The paths to the leaves, left to right."""
    waiting = [(0, dict[int, float](), dict[int, list[tuple[int, bool]]]())]
    while waiting:
        node, fractions, conditions = waiting.pop()
        if tree.left[node] < 0:
            yield _Path(
                value=float(tree.value[node]), output=tree.output, fractions=fractions, conditions=conditions
            )
            continue
        feature = int(tree.feature[node])
        for child, is_left in ((int(tree.right[node]), False), (int(tree.left[node]), True)):
            share = _share(tree, node, child)
            below = fractions | {feature: fractions.get(feature, 1.0) * share}
            met = [*conditions.get(feature, []), (first_node + node, is_left)]
            waiting.append((child, below, conditions | {feature: met}))


def _share(tree: ensembles.Tree, node: int, child: int) -> float:
    """The child's share of its parent's weight; an inner node that no weight reached splits evenly."""
    total = float(tree.cover[tree.left[node]] + tree.cover[tree.right[node]])
    return float(tree.cover[child]) / total if total > 0 else 0.5


def _packed(paths: list[_Path], length: int) -> Leaves:
    pairs = [(path, feature) for path in paths for feature in sorted(path.fractions)]
    counts = np.array([len(path.conditions[feature]) for path, feature in pairs], dtype=np.int64)
    conditions = [condition for path, feature in pairs for condition in path.conditions[feature]]
    shape = (len(paths), length)
    return Leaves(
        features=np.array([feature for _, feature in pairs], dtype=np.int64).reshape(shape),
        fractions=np.array([path.fractions[feature] for path, feature in pairs]).reshape(shape),
        values=np.array([path.value for path in paths]),
        outputs=np.array([path.output for path in paths], dtype=np.int64),
        condition_nodes=np.array([node for node, _ in conditions], dtype=np.int64),
        condition_left=np.array([is_left for _, is_left in conditions], dtype=np.bool_),
        starts=np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64) if pairs else counts,
    )
