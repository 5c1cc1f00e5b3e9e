"""What the trees ask of the columns that can change: tests on values, and where they turn over.

Works on the portable form of an ensemble and answers as its evaluator does; every result of a search
is checked against that evaluator.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from glasskit import trees

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]

ZERO = float(np.float32(1e-35))
"""What LightGBM takes for zero."""

# Plain numbers: looking an enumeration's member up costs more than the comparison.
_LESS, _LESS_EQUAL, _IN_SET = int(trees.Test.LESS), int(trees.Test.LESS_EQUAL), int(trees.Test.IN_SET)
_TRUNCATED = int(trees.Test.IN_SET_TRUNCATED)
_NAN_IS_MISSING, _ZERO_IS_MISSING = int(trees.Missing.NAN), int(trees.Missing.ZERO)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Turn:
    """A place where answers change: at `threshold`, from there on if `inclusive`, else just above it."""

    threshold: float
    inclusive: bool


def as_compared(ensemble: trees.Ensemble, values: Floats) -> Floats:
    """Values as the model compares them."""
    if not ensemble.float32_inputs:
        return values
    with np.errstate(over="ignore"):
        return values.astype(np.float32).astype(np.float64)


def goes_left(ensemble: trees.Ensemble, tree: trees.Tree, node: int, values: Floats) -> Bools:
    """For each value of the node's column, whether a row with it goes left."""
    values = as_compared(ensemble, values)
    test, missing, is_nan = int(tree.test[node]), int(tree.missing[node]), np.isnan(values)
    values = np.where(is_nan, 0.0, values)
    if test == _LESS:
        answer = values < tree.threshold[node]
    elif test == _LESS_EQUAL:
        answer = values <= tree.threshold[node]
    else:
        answer = _in_set(tree, node, values, is_nan)
    if missing == _NAN_IS_MISSING:
        answer = np.where(is_nan, tree.default_left[node], answer)
    if missing == _ZERO_IS_MISSING:
        answer = np.where(np.abs(values) <= ZERO, tree.default_left[node], answer)
    return np.asarray(answer, dtype=np.bool_)


def _in_set(tree: trees.Tree, node: int, values: Floats, is_nan: Bools) -> Bools:
    lowest = -1.0 if tree.test[node] == _TRUNCATED else 0.0
    known = ((values > lowest) | (values == 0.0)) & (values < 2.0**31) & ~is_nan
    codes = np.where(known, values, -1.0).astype(np.int64)
    return np.isin(codes, list(tree.categories[node]))


def turns(ensemble: trees.Ensemble, feature: int) -> list[Turn]:
    """Where the answers on a numeric column change, missing zeros included; no order, none twice.

    Raises LookupError if a tree asks for a set of categories.
    """
    found: set[tuple[float, bool]] = set()
    for tree in ensemble.trees:
        asked = (tree.feature == feature) & ~tree.is_leaf
        if not asked.any():
            continue
        test, threshold = tree.test[asked], tree.threshold[asked]
        if (test >= _IN_SET).any():
            raise LookupError(feature)
        found.update(zip(threshold.tolist(), (test == _LESS).tolist(), strict=True))
        if (tree.missing[asked] == _ZERO_IS_MISSING).any():
            found |= {(-ZERO, True), (ZERO, False)}
    return [Turn(threshold=threshold, inclusive=inclusive) for threshold, inclusive in sorted(found)]


def passed(ensemble: trees.Ensemble, values: Floats, thresholds: Floats, inclusive: Bools) -> Bools:
    """Whether each value lies beyond its turn."""
    values = as_compared(ensemble, values)
    return np.where(inclusive, values >= thresholds, values > thresholds)
