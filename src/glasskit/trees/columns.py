"""Every kind of decision -> "left when column <= threshold", which is all the compiled kernel knows.

A column is a feature's value with the missing ones moved to where they go: to minus infinity
(always left), to NaN (never left), or to zero. Nodes that differ only in their threshold share a
column. `value < t` is `value <= ` the next number below t. A node that asks for a set of categories
has a column of its own that is 0 where the row goes left and 1 where it does not.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from glasskit.trees import ensembles, evaluate

Matrix = npt.NDArray[np.float64]

NAN_IS_ZERO, NAN_GOES_LEFT, NAN_GOES_RIGHT, ZERO_GOES_LEFT, ZERO_GOES_RIGHT, IN_SET = range(6)
TRUNCATES, NAN_IS_MISSING, ZERO_IS_MISSING, MISSING_GOES_LEFT = 1, 2, 4, 8

RECORD = np.dtype(
    [
        ("feature", np.int32),
        ("kind", np.int32),
        ("flags", np.int32),
        ("n_categories", np.int32),
        ("categories", np.int64),
    ],
    align=True,
)
"""The kernel's `Column`."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Decisions:
    """For every node of a forest its column and threshold; leaves have column 0 and threshold 0."""

    columns: npt.NDArray[np.void]
    categories: npt.NDArray[np.uint8]
    column: npt.NDArray[np.int32]
    threshold: Matrix


def decisions(forest: evaluate.Forest) -> Decisions:
    """The columns of a forest."""
    inner = forest.left != np.arange(len(forest.left))
    thresholds = _inclusive(forest)
    asks_set = inner & (
        (forest.test >= ensembles.Test.IN_SET)
        | (np.isnan(thresholds) & forest.default_left & (forest.missing != ensembles.Missing.NONE))
    )
    plain = inner & ~asks_set
    kinds = _kinds(forest)
    keys, index = np.unique(
        np.stack([forest.feature[plain], kinds[plain]], axis=1), axis=0, return_inverse=True
    )
    column = np.zeros(len(forest.feature), dtype=np.int32)
    column[plain] = index.ravel()
    listed = [(int(feature), int(kind), 0, 0, 0) for feature, kind in keys]
    sets = _Sets(first=len(listed))
    tables = dict(forest.sets)
    for node in np.flatnonzero(asks_set).tolist():
        column[node] = sets.column(forest, node, tables.get(node, np.zeros(1, dtype=np.bool_)))
    thresholds[asks_set] = 0.5
    thresholds[~inner] = 0.0
    return Decisions(
        columns=np.array(listed + sets.listed, dtype=RECORD),
        categories=np.frombuffer(bytes(sets.tables), dtype=np.uint8),
        column=column,
        threshold=thresholds,
    )


def _inclusive(forest: evaluate.Forest) -> Matrix:
    """Thresholds for `<=`; NaN where nothing is below the threshold."""
    below = np.nextafter(forest.threshold, -np.inf)
    below[np.isneginf(forest.threshold)] = np.nan
    return np.where(forest.test == ensembles.Test.LESS, below, forest.threshold)


def _kinds(forest: evaluate.Forest) -> npt.NDArray[np.int64]:
    left, zero = forest.default_left, forest.missing == ensembles.Missing.ZERO
    by_missing = np.where(
        zero,
        np.where(left, ZERO_GOES_LEFT, ZERO_GOES_RIGHT),
        np.where(left, NAN_GOES_LEFT, NAN_GOES_RIGHT),
    )
    return np.where(forest.missing == ensembles.Missing.NONE, NAN_IS_ZERO, by_missing)


@dataclasses.dataclass(slots=True)
class _Sets:
    """Columns of category sets; nodes that ask the same share one."""

    first: int
    listed: list[tuple[int, int, int, int, int]] = dataclasses.field(default_factory=list)
    tables: bytearray = dataclasses.field(default_factory=bytearray)
    known: dict[tuple[int, int, bytes], int] = dataclasses.field(default_factory=dict)

    def column(self, forest: evaluate.Forest, node: int, members: evaluate.Bools) -> int:
        flags = TRUNCATES * int(forest.test[node] == ensembles.Test.IN_SET_TRUNCATED)
        flags |= NAN_IS_MISSING * int(forest.missing[node] != ensembles.Missing.NONE)
        flags |= ZERO_IS_MISSING * int(forest.missing[node] == ensembles.Missing.ZERO)
        flags |= MISSING_GOES_LEFT * int(forest.default_left[node])
        table = members[:-1].tobytes()
        key = (int(forest.feature[node]), flags, table)
        if key not in self.known:
            self.known[key] = self.first + len(self.listed)
            self.listed.append((key[0], IN_SET, flags, len(table), len(self.tables)))
            self.tables += table
        return self.known[key]
