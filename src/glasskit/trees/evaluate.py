"""Margins and predictions: every row walks down every tree, and leaf values are added in tree order.

All sums are float64. LightGBM sums the same way, so its raw scores come out bit for bit; XGBoost
sums float32, so its margins differ from ours by at most its own rounding, about
n_trees * 6e-8 * sum(|leaf values|).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from glasskit.trees import ensembles, errors

Matrix = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]

_CELLS_AT_ONCE = 1 << 21
_NO_CATEGORY = -1
_MOST_PLACES = 1 << 29
"""What the tables of all category sets may take, in bytes."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Forest:
    """All nodes of an ensemble in one numbering; a leaf is its own child."""

    ensemble: ensembles.Ensemble
    roots: Indices
    feature: Indices
    test: npt.NDArray[np.int8]
    threshold: Matrix
    missing: npt.NDArray[np.int8]
    default_left: Bools
    left: Indices
    right: Indices
    value: Matrix
    depth: int
    sets: tuple[tuple[int, Bools], ...]
    """(node, membership table indexed by category) of the nodes that test a set."""


def flatten(ensemble: ensembles.Ensemble) -> Forest:
    """The ensemble as one forest, ready to be walked. Raises ModelUnsupported for sets of enormous categories."""
    trees = ensemble.trees
    n_places = sum(max(members, default=0) for tree in trees for members in tree.categories.values())
    if n_places > _MOST_PLACES:
        raise errors.ModelUnsupported(
            f"A model whose category sets need {n_places >> 20} MiB of tables",
            "Number the categories from 0 up.",
        )
    sizes = np.array([tree.n_nodes for tree in trees], dtype=np.int64)
    roots = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64) if trees else sizes

    def children(side: str) -> Indices:
        return _joined(
            [_own_child(getattr(tree, side), root) for tree, root in zip(trees, roots, strict=True)]
        )

    return Forest(
        ensemble=ensemble,
        roots=roots,
        feature=np.maximum(_joined([tree.feature for tree in trees]), 0),
        test=_joined([tree.test for tree in trees]).astype(np.int8),
        threshold=_joined([tree.threshold for tree in trees]).astype(np.float64),
        missing=_joined([tree.missing for tree in trees]).astype(np.int8),
        default_left=_joined([tree.default_left for tree in trees]).astype(np.bool_),
        left=children("left"),
        right=children("right"),
        value=_joined([tree.value for tree in trees]).astype(np.float64),
        depth=max((_depth(tree) for tree in trees), default=0),
        sets=tuple(
            (int(root) + node, _membership(categories))
            for tree, root in zip(trees, roots, strict=True)
            for node, categories in tree.categories.items()
        ),
    )


def _joined(arrays: list[npt.NDArray[np.generic]]) -> Indices:
    return np.concatenate(arrays) if arrays else np.empty(0, dtype=np.int64)


def _own_child(children: Indices, root: int) -> Indices:
    return np.where(children < 0, np.arange(len(children)), children) + root


def _depth(tree: ensembles.Tree) -> int:
    deepest, waiting = 0, [(0, 0)]
    while waiting:
        node, depth = waiting.pop()
        deepest = max(deepest, depth)
        if tree.left[node] >= 0:
            waiting += [(int(tree.left[node]), depth + 1), (int(tree.right[node]), depth + 1)]
    return deepest


def _membership(categories: frozenset[int]) -> Bools:
    table = np.zeros(max(categories, default=-1) + 2, dtype=np.bool_)  # the last entry: not a category
    table[list(categories)] = True
    return table


def chunks(n_rows: int, cells_per_row: int) -> Iterator[slice]:
    """Slices of rows small enough that the work on one of them stays in memory bounds."""
    step = max(1, _CELLS_AT_ONCE // max(1, cells_per_row))
    for start in range(0, n_rows, step):
        yield slice(start, min(start + step, n_rows))


def goes_left(forest: Forest, rows: Matrix) -> Bools:
    """For every row and node, whether the row would go left there; shape (n, nodes)."""
    rows = _as_compared(forest, rows)
    values = rows[:, forest.feature]
    is_nan = np.isnan(values)
    values = np.where(is_nan, 0.0, values)
    by_value = np.where(
        forest.test == ensembles.Test.LESS, values < forest.threshold, values <= forest.threshold
    )
    is_zero = np.abs(values) <= ensembles.ZERO_TOLERANCE
    counts_as_missing = np.where(
        forest.missing == ensembles.Missing.NAN, is_nan, (forest.missing == ensembles.Missing.ZERO) & is_zero
    )
    for node, table in forest.sets:
        truncated = forest.test[node] == ensembles.Test.IN_SET_TRUNCATED
        codes = _categories(rows[:, forest.feature[node]], lowest=-1.0 if truncated else 0.0)
        by_value[:, node] = table[np.where(codes < len(table), codes, _NO_CATEGORY)]
    return np.where(counts_as_missing, forest.default_left, by_value)


def goes_left_in_parts(forest: Forest, rows: Matrix) -> Bools:
    """`goes_left` of many rows, in parts: one byte per row and node is all the memory that it takes."""
    left = np.empty((len(rows), len(forest.feature)), dtype=np.bool_)
    for part in chunks(len(rows), len(forest.feature)):
        left[part] = goes_left(forest, rows[part])
    return left


def _as_compared(forest: Forest, rows: Matrix) -> Matrix:
    if not forest.ensemble.float32_inputs:
        return rows
    with np.errstate(over="ignore"):
        return rows.astype(np.float32).astype(np.float64)


def _categories(column: Matrix, *, lowest: float) -> Indices:
    known = ((column > lowest) | (column == 0.0)) & (column < 2.0**31)  # false for NaN
    return np.where(known, column, float(_NO_CATEGORY)).astype(np.int64)


def leaves(forest: Forest, left: Bools) -> Indices:
    """The leaf each row reaches in each tree; shape (n, trees)."""
    n_rows = len(left)
    each_row = np.arange(n_rows)[:, np.newaxis]
    node = np.broadcast_to(forest.roots, (n_rows, len(forest.roots)))
    for _ in range(forest.depth):
        node = np.where(left[each_row, node], forest.left[node], forest.right[node])
    return node


def margins(forest: Forest, rows: Matrix) -> Matrix:
    """Margins (log-odds for a logistic link) of shape (n, K)."""
    ensemble = forest.ensemble
    sums = np.zeros((len(rows), ensemble.n_outputs))
    for part in chunks(len(rows), len(forest.feature)):
        values = forest.value[leaves(forest, goes_left(forest, rows[part]))]
        for index, tree in enumerate(ensemble.trees):
            sums[part, tree.output] += values[:, index]
    return np.asarray(sums / ensemble.divisor + np.array(ensemble.base_scores))
