"""What the tree tests share: random ensembles, and Shapley values straight from their definition."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
from hypothesis import strategies as st

from glasskit import trees

N_FEATURES = 4
VALUES = [-2.0, -0.5, -0.0, 0.0, 1e-36, 0.5, 1.0, 2.0, 3.0, 40.0, 1e300, math.nan, math.inf, -math.inf]
THRESHOLDS = [-1.0, -0.5, 0.0, 0.5, 1.0, 2.0, math.inf, -math.inf]


@st.composite
def random_trees(draw: st.DrawFn, *, n_outputs: int = 1, deepest: int = 4) -> trees.Tree:
    """A tree of any shape: single leaves, repeated features, every test and missing type, empty branches."""
    nodes: list[dict[str, object]] = []

    def grow(depth: int, cover: float) -> int:
        index = len(nodes)
        nodes.append({"cover": cover})
        if depth == deepest or not draw(st.booleans()):
            nodes[index].update(value=draw(st.floats(-10, 10)), left=-1, right=-1, feature=-1)
            return index
        share = draw(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0]))
        nodes[index].update(
            feature=draw(st.integers(0, N_FEATURES - 1)),
            test=draw(st.sampled_from(list(trees.Test))),
            threshold=draw(st.sampled_from(THRESHOLDS)),
            missing=draw(st.sampled_from(list(trees.Missing))),
            default_left=draw(st.booleans()),
            categories=draw(st.frozensets(st.integers(0, 41), max_size=4)),
        )
        nodes[index]["left"] = grow(depth + 1, cover * share)
        nodes[index]["right"] = grow(depth + 1, cover * (1 - share))
        return index

    grow(0, float(draw(st.sampled_from([1, 10, 1000]))))
    return trees.Tree(
        **{
            key: [node.get(key, 0) for node in nodes]
            for key in (
                "feature",
                "test",
                "threshold",
                "missing",
                "default_left",
                "left",
                "right",
                "value",
                "cover",
            )
        },
        categories={
            index: node["categories"]
            for index, node in enumerate(nodes)
            if node.get("test", 0) >= trees.Test.IN_SET
        },
        output=draw(st.integers(0, n_outputs - 1)),
    )


@st.composite
def random_ensembles(draw: st.DrawFn, *, deepest: int = 4) -> trees.Ensemble:
    n_outputs = draw(st.sampled_from([1, 1, 3]))
    return trees.Ensemble(
        trees=tuple(
            draw(st.lists(random_trees(n_outputs=n_outputs, deepest=deepest), min_size=1, max_size=3))
        ),
        feature_names=tuple("abcd"),
        base_scores=tuple(draw(st.floats(-2, 2)) for _ in range(n_outputs)),
        divisor=draw(st.sampled_from([1.0, 3.0])),
        float32_inputs=draw(st.booleans()),
    )


def random_rows(*, most: int = 4) -> st.SearchStrategy[np.ndarray]:
    row = st.lists(st.sampled_from(VALUES), min_size=N_FEATURES, max_size=N_FEATURES)
    return st.lists(row, min_size=1, max_size=most).map(np.array)


def goes_left(ensemble: trees.Ensemble, tree: trees.Tree, node: int, row: np.ndarray) -> bool:
    """One decision, written as the documentation of the portable form says it."""
    value = float(row[tree.feature[node]])
    if ensemble.float32_inputs:
        with np.errstate(over="ignore"):
            value = float(np.float32(value))
    missing, test = tree.missing[node], tree.test[node]
    if math.isnan(value) and missing == trees.Missing.NAN:
        return bool(tree.default_left[node])
    is_nan = math.isnan(value)
    number = 0.0 if is_nan else value
    if missing == trees.Missing.ZERO and abs(number) <= 1e-35:
        return bool(tree.default_left[node])
    if test == trees.Test.LESS:
        return number < tree.threshold[node]
    if test == trees.Test.LESS_EQUAL:
        return number <= tree.threshold[node]
    lowest_is_zero = test == trees.Test.IN_SET
    if is_nan or math.isinf(value) or (value < 0 and (lowest_is_zero or value <= -1)):
        return False
    return int(value) in tree.categories[node]


def margin(ensemble: trees.Ensemble, row: np.ndarray, output: int) -> float:
    """The margin of one row, walked node by node."""
    total = 0.0
    for tree in ensemble.trees:
        if tree.output == output:
            total += _expectation(ensemble, tree, row, frozenset(range(N_FEATURES)), 0)
    return total / ensemble.divisor + ensemble.base_scores[output]


def game(ensemble: trees.Ensemble, row: np.ndarray, output: int) -> Callable[[frozenset[int]], float]:
    """The path-dependent game: what the model is expected to say when only a coalition is known."""

    def worth(coalition: frozenset[int]) -> float:
        total = sum(
            _expectation(ensemble, tree, row, coalition, 0)
            for tree in ensemble.trees
            if tree.output == output
        )
        return total / ensemble.divisor + ensemble.base_scores[output]

    return worth


def _expectation(
    ensemble: trees.Ensemble, tree: trees.Tree, row: np.ndarray, coalition: frozenset[int], node: int
) -> float:
    left, right = int(tree.left[node]), int(tree.right[node])
    if left < 0:
        return float(tree.value[node])
    if int(tree.feature[node]) in coalition:
        child = left if goes_left(ensemble, tree, node, row) else right
        return _expectation(ensemble, tree, row, coalition, child)
    weight = tree.cover[left] + tree.cover[right]
    share = tree.cover[left] / weight if weight else 0.5
    return share * _expectation(ensemble, tree, row, coalition, left) + (1 - share) * _expectation(
        ensemble, tree, row, coalition, right
    )


def shapley_values(worth: Callable[[frozenset[int]], float]) -> np.ndarray:
    """Shapley values by enumeration of all coalitions."""
    values = np.zeros(N_FEATURES)
    for feature in range(N_FEATURES):
        others = [other for other in range(N_FEATURES) if other != feature]
        for size in range(N_FEATURES):
            weight = math.factorial(size) * math.factorial(N_FEATURES - size - 1) / math.factorial(N_FEATURES)
            for members in itertools.combinations(others, size):
                coalition = frozenset(members)
                values[feature] += weight * (worth(coalition | {feature}) - worth(coalition))
    return values


def shapley_interactions(worth: Callable[[frozenset[int]], float]) -> np.ndarray:
    """SHAP interaction values by enumeration: halves off the diagonal, the rest of each value on it."""
    matrix = np.zeros((N_FEATURES, N_FEATURES))
    for first, second in itertools.combinations(range(N_FEATURES), 2):
        others = [other for other in range(N_FEATURES) if other not in (first, second)]
        for size in range(N_FEATURES - 1):
            weight = math.factorial(size) * math.factorial(N_FEATURES - size - 2)
            weight /= 2 * math.factorial(N_FEATURES - 1)
            for members in itertools.combinations(others, size):
                known = frozenset(members)
                joint = (
                    worth(known | {first, second})
                    - worth(known | {first})
                    - worth(known | {second})
                    + worth(known)
                )
                matrix[first, second] += weight * joint
    matrix += matrix.T
    np.fill_diagonal(matrix, shapley_values(worth) - matrix.sum(axis=1))
    return matrix


def tree_of_two_categories() -> trees.Tree:
    """A stump that asks whether the first feature is category 1."""
    return trees.Tree(
        feature=[0, -1, -1],
        test=[trees.Test.IN_SET, 0, 0],
        threshold=[0.0, 0, 0],
        missing=[2, 0, 0],
        default_left=[False] * 3,
        left=[1, -1, -1],
        right=[2, -1, -1],
        value=[0.0, -1.0, 1.0],
        cover=[2.0, 1.0, 1.0],
        categories={0: frozenset({1})},
    )
