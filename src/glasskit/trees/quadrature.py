"""Gauss-Legendre quadrature on [0, 1], correctly rounded, hence the same numbers on every machine."""

from __future__ import annotations

import decimal
import functools
import math

import numpy as np
import numpy.typing as npt

_DIGITS = 40


@functools.lru_cache(maxsize=256)
def gauss_legendre(n_points: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Points and weights that integrate polynomials of degree below 2n exactly.

    >>> points, weights = gauss_legendre(2)
    >>> round(float(weights @ points**3), 15)
    0.25
    """
    with decimal.localcontext(decimal.Context(prec=_DIGITS)):
        pairs = [_pair(n_points, index) for index in range((n_points + 1) // 2)]
    lower = [(float((1 - root) / 2), float(weight)) for root, weight in pairs]
    upper = [(float((1 + root) / 2), float(weight)) for root, weight in reversed(pairs)]
    both = lower + (upper[1:] if n_points % 2 else upper)
    points, weights = (np.array(column) for column in zip(*both, strict=True))
    points.setflags(write=False)
    weights.setflags(write=False)
    return points, weights


def _pair(n_points: int, index: int) -> tuple[decimal.Decimal, decimal.Decimal]:
    """A root of the Legendre polynomial by Newton's method, and its weight on [0, 1]."""
    root = decimal.Decimal(math.cos(math.pi * (index + 0.75) / (n_points + 0.5)))
    if 2 * index + 1 == n_points:
        root = decimal.Decimal(0)
    for _ in range(6):
        value, slope = _legendre(n_points, root)
        root -= value / slope
    slope = _legendre(n_points, root)[1]
    return root, 1 / ((1 - root * root) * slope * slope)


def _legendre(n_points: int, x: decimal.Decimal) -> tuple[decimal.Decimal, decimal.Decimal]:
    before, value = decimal.Decimal(0), decimal.Decimal(1)
    for degree in range(n_points):
        before, value = value, ((2 * degree + 1) * x * value - degree * before) / (degree + 1)
    return value, n_points * (x * value - before) / (x * x - 1)
