"""Exact path-dependent SHAP values and SHAP interaction values, leaf by leaf.

The game (Lundberg et al. 2020, "From local explanations to global understanding with explainable
AI for trees", Algorithm 1): a feature in the coalition follows the row, a feature outside it goes
both ways in proportion to the training weight. A leaf with value v whose path tests the features
1..k is a game of its own, and the Shapley value is additive over games, so leaves are summed.
Within a leaf, feature j multiplies the payout by o_j (1 if the row satisfies it, else 0) when it
is in the coalition and by z_j (the path's fraction) when it is not. Hence, with the Shapley weight
written as an integral, s!(k-1-s)!/k! = integral over [0, 1] of t^s (1-t)^(k-1-s) dt,

    phi_i    = v (o_i - z_i)             * integral of  prod_{l != i}    (t o_l + (1-t) z_l)  dt
    phi_{ij} = v (o_i - z_i)(o_j - z_j)  * integral of  prod_{l != i, j} (t o_l + (1-t) z_l)  dt

and because the integrands are polynomials of degree below k, Gauss-Legendre quadrature with
ceil(k/2) nodes gives the integrals exactly. No division and no subtraction of like numbers
happens inside a product, so the result is accurate to a few units in the last place, however deep
the tree. As in the shap package, each half of phi_{ij} stands on either side of the diagonal and
the diagonal holds what is left of phi_i.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from glasskit.trees import evaluate, paths

Matrix = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def expected_values(groups: Sequence[paths.Leaves], n_outputs: int) -> Matrix:
    """The mean of the trees' sum over the training weight, per output; shape (K,)."""
    sums = np.zeros(n_outputs)
    for leaves in groups:
        sums += np.bincount(leaves.outputs, weights=leaves.reach() * leaves.values, minlength=n_outputs)
    return sums


def values(groups: Sequence[paths.Leaves], left: Bools, *, n_features: int, n_outputs: int) -> Matrix:
    """SHAP values of shape (n, F, K), before the ensemble's divisor.

    left: which way every row goes at every node, from `evaluate.goes_left`.
    """
    total = np.zeros((len(left), n_outputs * n_features))
    for leaves in groups:
        cells = leaves.outputs[:, np.newaxis] * n_features + leaves.features
        for part in evaluate.chunks(len(left), leaves.features.size):
            add_by_cell(total[part], cells.T, _of_leaves(leaves, leaves.satisfied(left[part])))
    return np.moveaxis(total.reshape(len(left), n_outputs, n_features), 1, 2)


def interactions(groups: Sequence[paths.Leaves], left: Bools, *, n_features: int, n_outputs: int) -> Matrix:
    """SHAP interaction values of shape (n, F, F, K), before the ensemble's divisor.

    Rows sum to the SHAP values: the diagonal is what the pairs leave of them.
    """
    pairs = np.zeros((len(left), n_outputs * n_features * n_features))
    for leaves in groups:
        for part in evaluate.chunks(len(left), leaves.features.size):
            _add_pairs(pairs[part], leaves, leaves.satisfied(left[part]), n_features)
    matrix = np.moveaxis(pairs.reshape(len(left), n_outputs, n_features, n_features), 1, 3)
    main = values(groups, left, n_features=n_features, n_outputs=n_outputs) - matrix.sum(axis=2)
    diagonal = np.arange(n_features)
    matrix[:, diagonal, diagonal] = main
    return matrix


def _of_leaves(leaves: paths.Leaves, satisfied: Matrix) -> Matrix:
    """phi of every leaf's features; shape (k, n, L)."""
    by_feature = np.moveaxis(satisfied, 2, 0)
    gain = leaves.values * (by_feature - leaves.fractions.T[:, np.newaxis, :])
    weights = np.zeros_like(gain)
    for factors, weight in _at_nodes(leaves, by_feature):
        weights += weight * _products_of_the_others(factors)
    return np.asarray(gain * weights)


def _add_pairs(pairs: Matrix, leaves: paths.Leaves, satisfied: Matrix, n_features: int) -> None:
    """Adds half of phi_{ij} of every leaf at (i, j) and at (j, i)."""
    by_feature = np.moveaxis(satisfied, 2, 0)
    gain = by_feature - leaves.fractions.T[:, np.newaxis, :]
    for first in range(leaves.n_features_each):
        others = [index for index in range(leaves.n_features_each) if index != first]
        if not others:
            continue
        weights = np.zeros((len(others), *gain.shape[1:]))
        for factors, weight in _at_nodes(leaves, by_feature):
            weights += weight * _products_of_the_others(factors[others])
        shared = 0.5 * leaves.values * gain[first] * gain[others] * weights
        rows = leaves.outputs * n_features + leaves.features[:, first]
        add_by_cell(pairs, rows * n_features + leaves.features[:, others].T, shared)


def _at_nodes(leaves: paths.Leaves, by_feature: Matrix) -> Sequence[tuple[Matrix, float]]:
    """(t o + (1-t) z of shape (k, n, L), weight) at each quadrature node t."""
    points, weights = np.polynomial.legendre.leggauss((leaves.n_features_each + 1) // 2 or 1)
    return [
        (t * by_feature + (1.0 - t) * leaves.fractions.T[:, np.newaxis, :], float(weight))
        for t, weight in zip((points + 1.0) / 2.0, weights / 2.0, strict=True)
    ]


def _products_of_the_others(factors: Matrix) -> Matrix:
    """For each i of the first axis, the product over all l != i."""
    products = np.ones_like(factors)
    for index in range(1, len(factors)):
        products[index] = products[index - 1] * factors[index - 1]
    after = np.ones_like(factors[0]) if len(factors) else factors
    for index in range(len(factors) - 1, -1, -1):
        products[index] *= after
        after = after * factors[index]
    return products


def add_by_cell(total: Matrix, cells: Indices, contributions: Matrix) -> None:
    """total[:, c] += the contributions (m, n, L) whose cell (m, L) is c, always in the same order."""
    flat = cells.ravel()
    if not len(flat):
        return
    order = np.argsort(flat, kind="stable")
    starts = np.flatnonzero(np.diff(flat[order], prepend=-1))
    by_row = np.moveaxis(contributions, 1, 0).reshape(total.shape[0], -1)[:, order]
    total[:, flat[order][starts]] += np.add.reduceat(by_row, starts, axis=1)
