"""Ratios and differences under the rules of bias metrics: 0/0 is 0, x/0 is ±∞, ∞ − ∞ is 0."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def ratio(above: npt.ArrayLike, below: npt.ArrayLike) -> Floats:
    """above / below, elementwise; 0/0 is 0 and x/0 is ±∞.

    >>> ratio([0.0, 1.0, -1.0, 1.0], [0.0, 0.0, 0.0, 4.0]).tolist()
    [0.0, inf, -inf, 0.25]
    """
    top, bottom = np.asarray(above, np.float64), np.asarray(below, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((top == 0) & (bottom == 0), 0.0, top / np.where(bottom == 0, 0.0, bottom))


def difference(left: npt.ArrayLike, right: npt.ArrayLike) -> Floats:
    """left − right, elementwise; infinities of one sign cancel to 0.

    >>> difference([np.inf, np.inf, 1.0], [np.inf, 1.0, np.inf]).tolist()
    [0.0, inf, -inf]
    """
    x, y = np.asarray(left, np.float64), np.asarray(right, np.float64)
    with np.errstate(invalid="ignore"):
        return np.where(np.isinf(x) & (x == y), 0.0, x - y)
