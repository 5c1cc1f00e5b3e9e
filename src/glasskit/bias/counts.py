"""Counts of rows by facet, group, label and prediction: all that most bias metrics need of the data.

One pass over the rows makes the table (`tabulate`); a replicate of the bootstrap is a table drawn anew from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from glasskit.bias import faults
from glasskit.bias.arithmetic import Floats

Codes = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Side:
    """The rows of one facet. cells: (..., groups, label values, 2 or 1) rows; the last axis is the prediction.

    positive: (label values,), which of them are the favourable outcome. The last axis has length 1 without
    predictions. Leading axes are replicates.
    """

    cells: Floats
    positive: Flags

    @property
    def predicts(self) -> bool:
        """Whether the rows have predictions."""
        return bool(self.cells.shape[-1] == 2)

    def _at(self, label: bool, predicted: int) -> Floats:
        if not self.predicts:
            raise faults.Undefined("there are no predicted labels")
        kept: Floats = self.cells[..., self.positive == label, predicted]
        return np.asarray(kept.sum(axis=(-2, -1)))

    @property
    def n(self) -> Floats:
        """Rows."""
        return np.asarray(self.cells.sum(axis=(-3, -2, -1)))

    @property
    def positives(self) -> Floats:
        """Rows with the favourable label, n⁽¹⁾."""
        return np.asarray(self.cells[..., self.positive, :].sum(axis=(-3, -2, -1)))

    @property
    def negatives(self) -> Floats:
        """Rows with another label, n⁽⁰⁾."""
        return np.asarray(self.cells[..., ~self.positive, :].sum(axis=(-3, -2, -1)))

    @property
    def true_positives(self) -> Floats:
        return self._at(True, 1)

    @property
    def false_positives(self) -> Floats:
        return self._at(False, 1)

    @property
    def false_negatives(self) -> Floats:
        return self._at(True, 0)

    @property
    def true_negatives(self) -> Floats:
        return self._at(False, 0)

    @property
    def predicted_positives(self) -> Floats:
        """Rows with the favourable prediction, n′⁽¹⁾."""
        return np.asarray(self.true_positives + self.false_positives)

    @property
    def predicted_negatives(self) -> Floats:
        """Rows with another prediction, n′⁽⁰⁾."""
        return np.asarray(self.true_negatives + self.false_negatives)

    @property
    def by_label(self) -> Floats:
        """Rows of each label value, (..., label values)."""
        return np.asarray(self.cells.sum(axis=(-3, -1)))

    def accepted(self, *, predicted: bool) -> Floats:
        """Rows of each group with the favourable label, or prediction: (..., groups)."""
        if predicted:
            return np.asarray(self.cells[..., :, :, 1].sum(axis=-1))
        return np.asarray(self.cells[..., :, self.positive, :].sum(axis=(-2, -1)))

    @property
    def by_group(self) -> Floats:
        """Rows of each group, (..., groups)."""
        return np.asarray(self.cells.sum(axis=(-2, -1)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Flips:
    """Rows of facet d whose neighbours in facet a are decided otherwise, for the flip test."""

    to_accepted: Floats
    to_rejected: Floats
    n: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Split:
    """Everything a metric may ask: the favoured facet a, the disfavoured facet d.

    grouped: whether the groups of the cells are those of a group variable. compat: the published smclarify's values
    where they differ from the definition.
    """

    a: Side
    d: Side
    grouped: bool = False
    flips: Flips | None = None
    compat: bool = False

    @property
    def whole(self) -> Side:
        """The rows of both facets."""
        return Side(cells=self.a.cells + self.d.cells, positive=self.a.positive)


def tabulate(
    facet: Codes, label: Codes, *, sizes: tuple[int, int, int], predicted: Flags | None, group: Codes | None
) -> Floats:
    """Rows by (facet, group, label, prediction), in one pass.

    facet, label, group: codes (n,) below sizes = (facets, groups, labels); predicted: (n,) or None. The result has
    shape (facets, groups, labels, 2), or 1 in place of 2 without predictions.
    """
    n_facets, n_groups, n_labels = sizes
    code = facet.astype(np.intp)
    if group is not None:
        code = code * n_groups + group
    code = code * n_labels + label
    depth = 1
    if predicted is not None:
        code, depth = code * 2 + predicted, 2
    table = np.bincount(code, minlength=n_facets * n_groups * n_labels * depth)
    return table.reshape(n_facets, n_groups, n_labels, depth).astype(np.float64)


def split(
    facet: npt.ArrayLike,
    label: npt.ArrayLike,
    *,
    predicted: npt.ArrayLike | None = None,
    group: npt.ArrayLike | None = None,
    compat: bool = False,
) -> Split:
    """The split of boolean arrays of shape (n,): `facet` marks the rows of facet d, `label` and `predicted` are the
    favourable outcome. group: integers or texts (n,).

    >>> from glasskit import bias
    >>> rows = bias.split([0, 0, 1, 1], [1, 1, 1, 0])
    >>> bias.find("DPL").of(rows)
    0.5
    """
    marks = _flags("facet", facet)
    outcome = _flags("label", label)
    said = None if predicted is None else _flags("predicted", predicted)
    groups, n_groups = None, 1
    if group is not None:
        names, groups = np.unique(np.asarray(group), return_inverse=True)
        n_groups = len(names)
    lengths = {len(array) for array in (marks, outcome, said, groups) if array is not None}
    if len(lengths) > 1:
        raise faults.Unusable(f"facet, label, predicted and group differ in length: {sorted(lengths)}")
    cells = tabulate(
        marks.astype(np.intp),
        outcome.astype(np.intp),
        sizes=(2, n_groups, 2),
        predicted=said,
        group=groups,
    )
    positive = np.array([False, True])
    return Split(
        a=Side(cells=cells[0], positive=positive),
        d=Side(cells=cells[1], positive=positive),
        grouped=group is not None,
        compat=compat,
    )


def _flags(name: str, values: npt.ArrayLike) -> Flags:
    array: npt.NDArray[Any] = np.asarray(values)
    if array.ndim != 1:
        raise faults.Unusable(f"{name} has shape {array.shape}; one value per row is needed")
    if array.dtype == np.bool_:
        return array
    wrong = np.flatnonzero(~np.isin(array, (0, 1)))
    if len(wrong):
        raise faults.Unusable(
            f"{name} holds {array[wrong].tolist()[0]!r} in row {wrong[0] + 1}; 0 or 1 is needed"
        )
    return array.astype(np.bool_)
