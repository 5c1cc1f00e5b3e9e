"""A row against one background row at a time: exact SHAP values and interactions, each pair with a factor.

The game is the interventional one (interventional.py). For one leaf with value v, one row and one
background row, A are the features of its path that only the row satisfies and B those that only the
background row does; if a feature is satisfied by neither, the leaf is never reached. With a = |A| and
b = |B| the Shapley values are

    phi_i   =   v (a-1)! b! / (a+b)!  for i in A,        - v a! (b-1)! / (a+b)!  for i in B

and the Shapley interaction indices, whose halves stand on either side of the diagonal,

    phi_ij  =   v (a-2)! b! / (a+b-1)!        for i and j in A
                v a! (b-2)! / (a+b-1)!        for i and j in B
              - v (a-1)! (b-1)! / (a+b-1)!    for one in A and one in B

The factors are what tables cannot know: they rescale each pair into the space of the prediction.
"""

from __future__ import annotations

import ctypes
import dataclasses
import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from glasskit.trees import evaluate, paths, shapley

Matrix = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Question:
    """Which way rows (n) and background rows (m) go at every node, and the factor of each pair and output."""

    left: Bools  # (n, nodes)
    background: Bools  # (m, nodes)
    factors: Matrix  # (n, m, K)
    n_features: int

    @property
    def n_outputs(self) -> int:
        return int(self.factors.shape[2])


def values(groups: Sequence[paths.Leaves], question: Question) -> Matrix:
    """The sum over the background of factor times SHAP values; shape (n, F, K), before the divisor."""
    n_rows, n_features, n_outputs = len(question.left), question.n_features, question.n_outputs
    total = np.zeros((n_rows, n_outputs * n_features))
    for leaves in groups:
        cells = (leaves.outputs[:, np.newaxis] * n_features + leaves.features).T
        weights = weight_table(leaves.n_features_each)
        for met in _meetings(leaves, question):
            gain = met.scale * weights[np.maximum(met.a - 1, 0), met.b]
            loss = met.scale * weights[np.maximum(met.b - 1, 0), met.a]
            phi = met.only_row * gain[..., np.newaxis] - met.only_other * loss[..., np.newaxis]
            shapley.add_by_cell(total[met.part], cells, np.moveaxis(phi, 2, 0))
    return np.moveaxis(total.reshape(n_rows, n_outputs, n_features), 1, 2)


def interactions(groups: Sequence[paths.Leaves], question: Question) -> Matrix:
    """The sum over the background of factor times interactions; shape (n, F, F, K), before the divisor."""
    n_rows, n_features, n_outputs = len(question.left), question.n_features, question.n_outputs
    pairs = np.zeros((n_rows, n_outputs * n_features * n_features))
    for leaves in groups:
        for met in _meetings(leaves, question):
            _add_pairs(pairs[met.part], leaves, met, n_features)
    matrix = np.moveaxis(pairs.reshape(n_rows, n_outputs, n_features, n_features), 1, 3)
    diagonal = np.arange(n_features)
    matrix[:, diagonal, diagonal] = values(groups, question) - matrix.sum(axis=2)
    return matrix


def weight_table(most: int) -> Matrix:
    """s! c! / (s + c + 1)! at [s, c], for s and c up to `most`."""
    sizes = range(most + 1)
    return np.array([[1.0 / ((s + c + 1) * math.comb(s + c, s)) for c in sizes] for s in sizes])


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Meeting:
    """Some rows and one background row at L leaves of k features."""

    part: slice
    only_row: Matrix  # (n, L, k), 1.0 for the features in A
    only_other: Matrix  # the same for B
    a: npt.NDArray[np.int64]  # (n, L)
    b: npt.NDArray[np.int64]
    scale: Matrix  # (n, L): factor times leaf value, 0 where neither satisfies some feature


def _meetings(leaves: paths.Leaves, question: Question) -> Iterator[_Meeting]:
    others = leaves.satisfied(question.background)
    for part in evaluate.chunks(len(question.left), leaves.features.size):
        rows = leaves.satisfied(question.left[part])
        for index, other in enumerate(others):
            only_row, only_other = rows * (1.0 - other), (1.0 - rows) * other
            reached = np.all((rows + other) > 0, axis=2)
            yield _Meeting(
                part=part,
                only_row=only_row,
                only_other=only_other,
                a=only_row.sum(axis=2).astype(np.int64),
                b=only_other.sum(axis=2).astype(np.int64),
                scale=reached * leaves.values * question.factors[part, index][:, leaves.outputs],
            )


def _add_pairs(pairs: Matrix, leaves: paths.Leaves, met: _Meeting, n_features: int) -> None:
    """Adds half of phi_ij of every leaf at (i, j) and at (j, i)."""
    weights, k = weight_table(leaves.n_features_each), leaves.n_features_each
    a, b = met.a, met.b
    both_row = weights[np.maximum(a - 2, 0), b] * met.scale
    both_other = weights[np.maximum(b - 2, 0), a] * met.scale
    one_each = -weights[np.maximum(a - 1, 0), np.maximum(b - 1, 0)] * met.scale
    for first in range(k):
        others = [index for index in range(k) if index != first]
        if not others:
            continue
        mine, its = (side[..., first][..., np.newaxis] for side in (met.only_row, met.only_other))
        rows, backs = met.only_row[..., others], met.only_other[..., others]
        phi = (
            mine * rows * both_row[..., np.newaxis]
            + its * backs * both_other[..., np.newaxis]
            + (mine * backs + its * rows) * one_each[..., np.newaxis]
        )
        start = (leaves.outputs * n_features + leaves.features[:, first]) * n_features
        shapley.add_by_cell(pairs, start + leaves.features[:, others].T, 0.5 * np.moveaxis(phi, 2, 0))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Flat:
    """A forest as the kernel takes it (kernel/pairs.c)."""

    roots: npt.NDArray[np.int64]
    outputs: npt.NDArray[np.int64]
    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    feature: npt.NDArray[np.int64]
    value: Matrix
    weights: Matrix


def flat(forest: evaluate.Forest) -> Flat:
    """The forest's arrays; a leaf has no child (-1)."""
    inner = forest.left != np.arange(len(forest.left))
    return Flat(
        roots=np.ascontiguousarray(forest.roots, dtype=np.int64),
        outputs=np.array([tree.output for tree in forest.ensemble.trees], dtype=np.int64),
        left=np.where(inner, forest.left, -1),
        right=np.where(inner, forest.right, -1),
        feature=forest.feature,
        value=forest.value,
        weights=weight_table(min(forest.depth, forest.ensemble.n_features)),
    )


def by_kernel(library: ctypes.CDLL, flat: Flat, question: Question, *, in_pairs: bool) -> Matrix:
    """`values`, or `interactions`, computed by the kernel. Raises MemoryError."""
    n_rows, n_features, n_outputs = len(question.left), question.n_features, question.n_outputs
    left, background, factors = (
        np.ascontiguousarray(array) for array in (question.left, question.background, question.factors)
    )
    shapes = (n_rows, n_outputs, n_features), (n_rows, n_outputs, n_features, n_features if in_pairs else 0)
    total, by_pair = (np.zeros(shape) for shape in shapes)
    described = Description(
        n_trees=len(flat.roots),
        n_nodes=len(flat.left),
        n_features=n_features,
        n_outputs=n_outputs,
        n_weights=len(flat.weights),
        **{field.name: getattr(flat, field.name).ctypes.data for field in dataclasses.fields(flat)},
    )
    done = library.glasskit_pairs(
        ctypes.byref(described),
        left.ctypes.data,
        n_rows,
        background.ctypes.data,
        len(background),
        factors.ctypes.data,
        total.ctypes.data,
        by_pair.ctypes.data if in_pairs else None,
    )
    if not done:
        raise MemoryError("The explanation needs more memory than there is.")
    if not in_pairs:
        return np.moveaxis(total, 1, 2)
    by_pair += np.swapaxes(by_pair, 2, 3)
    diagonal = np.arange(n_features)
    by_pair[:, :, diagonal, diagonal] = total - by_pair.sum(axis=3)
    return np.moveaxis(by_pair, 1, 3)


class Description(ctypes.Structure):
    """The kernel's `Pairs`: a forest, and the table of weights."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("n_trees", "n_nodes", "n_features", "n_outputs", "n_weights")),
        *(
            (name, ctypes.c_void_p)
            for name in ("roots", "outputs", "left", "right", "feature", "value", "weights")
        ),
    ]
