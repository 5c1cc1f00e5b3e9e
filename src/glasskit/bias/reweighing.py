"""Reweighing: weights under which label and facet are independent in the training data.

Source: Kamiran and Calders, "Data preprocessing techniques for classification without discrimination" (2012).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from glasskit.bias import faults
from glasskit.bias.arithmetic import Floats


def reweighing(facet: npt.ArrayLike, label: npt.ArrayLike) -> Floats:
    """A weight for each row: P(facet) P(label) / P(facet, label), with the shares of the data.

    facet, label: (n,) integers, booleans or texts, of any number of values. Weights are positive, average 1 and keep
    the weight of each facet and of each label; under them every label has the same share in every facet. Pass them as
    `sample_weight` when training. A label that a facet never has cannot be weighed into it.

    >>> reweighing(["f", "f", "m", "m"], [0, 0, 0, 1]).tolist()
    [0.75, 0.75, 1.5, 0.5]
    """
    groups, labels = (_codes(name, values) for name, values in (("facet", facet), ("label", label)))
    if len(groups) != len(labels):
        raise faults.Unusable(f"facet has {len(groups):,} rows and label {len(labels):,}")
    if not len(groups):
        raise faults.Unusable("there are no rows")
    n_labels = int(labels.max()) + 1
    joint = np.bincount(groups * n_labels + labels, minlength=(int(groups.max()) + 1) * n_labels)
    joint = joint.reshape(-1, n_labels)
    expected = np.outer(joint.sum(axis=1), joint.sum(axis=0)) / len(groups)
    weights = np.divide(expected, joint, out=np.zeros_like(expected), where=joint > 0)
    return np.asarray(weights[groups, labels], np.float64)


def _codes(name: str, values: npt.ArrayLike) -> npt.NDArray[np.intp]:
    import pandas as pd

    array = np.asarray(values)
    if array.ndim != 1:
        raise faults.Unusable(f"{name} has shape {array.shape}; one value per row is needed")
    codes, _ = pd.factorize(array)
    missing = np.flatnonzero(codes < 0)
    if len(missing):
        raise faults.Unusable(f"{name} has no value in row {missing[0] + 1}")
    return codes
