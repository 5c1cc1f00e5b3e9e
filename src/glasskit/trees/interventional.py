"""Exact interventional SHAP values against a set of background rows, leaf by leaf: the oracle of the tables.

The game (Janzing et al. 2020; Lundberg et al. 2020): features outside the coalition take their
values from a background row, and the game's worth is the mean over the background. For one leaf,
one row and one background row let A be the path's features only the row satisfies and B those only
the background row does. If some feature is satisfied by neither, nothing reaches the leaf whatever
the coalition; else the Shapley values, with a = |A| and b = |B|, are

    phi_i =   v (a-1)! b! / (a+b)!     for i in A
    phi_i = - v a! (b-1)! / (a+b)!     for i in B
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from glasskit.trees import evaluate, paths, shapley

Matrix = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def values(
    groups: Sequence[paths.Leaves], left: Bools, background: Bools, *, n_features: int, n_outputs: int
) -> Matrix:
    """SHAP values of shape (n, F, K), before the ensemble's divisor.

    left, background: which way every row and every background row goes at every node.
    """
    total = np.zeros((len(left), n_outputs * n_features))
    for leaves in groups:
        cells = (leaves.outputs[:, np.newaxis] * n_features + leaves.features).T
        weights = _weights(leaves.n_features_each)
        others = leaves.satisfied(background)
        for part in evaluate.chunks(len(left), leaves.features.size):
            by_feature = _of_leaves(leaves, leaves.satisfied(left[part]), others, weights)
            shapley.add_by_cell(total[part], cells, by_feature)
    return np.moveaxis(total.reshape(len(left), n_outputs, n_features), 1, 2)


def _of_leaves(leaves: paths.Leaves, rows: Matrix, background: Matrix, weights: Matrix) -> Matrix:
    """phi of every leaf's features; shape (k, n, L)."""
    phi = np.zeros_like(rows)
    for other in background:
        only_row, only_other = rows * (1.0 - other), (1.0 - rows) * other
        reached = np.all((rows + other) > 0, axis=2)
        a, b = only_row.sum(axis=2).astype(np.int64), only_other.sum(axis=2).astype(np.int64)
        for_row = weights[np.maximum(a - 1, 0), b] * reached
        for_other = weights[np.maximum(b - 1, 0), a] * reached
        phi += only_row * for_row[..., np.newaxis] - only_other * for_other[..., np.newaxis]
    return np.moveaxis(phi * leaves.values[:, np.newaxis] / len(background), 2, 0)


def _weights(n_features: int) -> Matrix:
    """s! c! / (s + c + 1)! at [s, c]."""
    sizes = range(n_features + 1)
    return np.array([[1.0 / ((s + c + 1) * math.comb(s + c, s)) for c in sizes] for s in sizes])
