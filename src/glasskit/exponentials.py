"""exp, logistic, softmax and log(1 + exp), with the same bits on every machine.

The C library's functions differ in their last bits between machines. These are made of additions,
multiplications and divisions alone, each rounded once, so nothing can differ; the compiled kernel
(trees/kernel/links.c) does the same operations in the same order and gives the same bits.

Method. x = (32 m + j) ln2/32 + r with |r| <= ln2/64 and r computed with ln2/32 in two parts (Cody and
Waite), so exp(x) = 2**m * 2**(j/32) * exp(r): a table in two parts (Tang, "Table-driven implementation
of the exponential function", 1989) and a polynomial of degree 6. The result is kept as an unrounded
pair of doubles, about 60 bits, and so are the sums and quotients made of it (Dekker 1971).

Error. At most 0.6 units in the last place (ulp) for normal results of every function here, 1 ulp for
subnormal ones: half a unit is the last rounding. 0.75 ulp for log(1 + exp).
"""

from __future__ import annotations

import decimal
import functools

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Pair = tuple[Array, Array]
"""An unrounded number: the sum of both, of which the first is the rounded one."""

STEPS = 32
_DIGITS = 60
_LOW_BITS_FREE = 2.0**36
_TO_WHOLE = 6755399441055744.0
"""1.5 * 2**52: adding it and taking it away again rounds to a whole number, halves to even."""

_SPLITTER = 134217729.0
_LOWEST, _HIGHEST = -746.0, 710.0
_SMALLEST_SCALE, _LARGEST_SCALE = -1021, 1023
_NEGLIGIBLE = 2.0**-60
"""log(1 + e) is e for e below this."""

_ODD_INVERSES = tuple(1.0 / n for n in range(37, 1, -2))
"""1/37, 1/35, ..., 1/3: the series of atanh, highest power first."""


@functools.cache
def constants() -> Array:
    """32/ln2, ln2/32 in two parts, and 2**(j/32) for j = 0..31: all first parts, then all second parts."""
    with decimal.localcontext(decimal.Context(prec=_DIGITS)):
        step = decimal.Decimal(2).ln() / STEPS
        high = float(np.floor(float(step) * _LOW_BITS_FREE) / _LOW_BITS_FREE)
        powers = [(step * index).exp() for index in range(STEPS)]
        first = [float(power) for power in powers]
        second = [float(power - decimal.Decimal(part)) for power, part in zip(powers, first, strict=True)]
        listed = [float(1 / step), high, float(step - decimal.Decimal(high)), *first, *second]
    made = np.array(listed)
    made.setflags(write=False)
    return made


def exp(x: Array) -> Array:
    """e**x.

    >>> exp(np.array([0.0, 1.0, 1000.0, -1000.0])).tolist()
    [1.0, 2.718281828459045, inf, 0.0]
    """
    first, _ = _exp(x)
    return first


def logistic(x: Array) -> Array:
    """1 / (1 + exp(-x)).

    >>> logistic(np.array([-1000.0, 0.0, 1000.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    small = _exp(-np.abs(x))
    ones = np.ones_like(small[0]), np.zeros_like(small[0])
    positive = x >= 0
    above = np.where(positive, ones[0], small[0]), np.where(positive, ones[1], small[1])
    first, rest = _quotient(above, _plus(1.0, small))
    return np.asarray(first + rest)


def softmax(x: Array) -> Array:
    """exp(x) over its sum along the last axis, which is added up in order."""
    highest = x.max(axis=-1, keepdims=True)
    shifted = x - highest
    back = shifted - x
    parts = _exp(shifted, (x - (shifted - back)) - (highest + back))
    total = parts[0][..., 0], parts[1][..., 0]
    for index in range(1, x.shape[-1]):
        total = _sum(total, (parts[0][..., index], parts[1][..., index]))
    first, rest = _quotient(parts, (total[0][..., np.newaxis], total[1][..., np.newaxis]))
    return np.asarray(first + rest)


def log1p_exp(x: Array) -> Array:
    """log(1 + exp(x)): max(x, 0) + 2 artanh(e / (2 + e)) with e = exp(-|x|).

    >>> log1p_exp(np.array([-1000.0, 1000.0])).tolist()
    [0.0, 1000.0]
    """
    x = np.maximum(x, _LOWEST)
    small = _exp(-np.abs(x))
    first, rest = _quotient(small, _plus(2.0, small))
    square = first * first
    series = np.full_like(square, _ODD_INVERSES[0])
    for inverse in _ODD_INVERSES[1:]:
        series = series * square + inverse
    rest = 2.0 * (rest + first * square * series)
    first = 2.0 * first
    sums = x + first
    with np.errstate(invalid="ignore"):
        back = sums - x
        left = np.where(np.isinf(x), 0.0, (x - (sums - back)) + (first - back))
    beyond = np.where(small[0] < _NEGLIGIBLE, small[0], first + rest)
    return np.asarray(np.where(x > 0, sums + (left + rest), np.where(np.isnan(x), x, beyond)))


def _exp(x: Array, extra: Array | None = None) -> Pair:
    """exp(x + extra) for a tiny extra."""
    made = constants()
    is_nan = np.isnan(x)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        clipped = np.minimum(np.maximum(np.where(is_nan, 0.0, x), _LOWEST), _HIGHEST)
        steps = (clipped * made[0] + _TO_WHOLE) - _TO_WHOLE
        r = (clipped - steps * made[1]) - steps * made[2]
        if extra is not None:
            r = r + np.where(np.isfinite(extra), extra, 0.0)
        power = r + r * r * (0.5 + r * (1 / 6 + r * (1 / 24 + r * (1 / 120 + r * (1 / 720)))))
        whole = steps.astype(np.int64)
        head, tail = made[3 + (whole & 31)], made[3 + STEPS + (whole & 31)]
        rest = tail + head * power
        first = head + rest
        second = rest - (first - head)
        exponent = whole >> 5
        once = np.minimum(np.maximum(exponent, _SMALLEST_SCALE), _LARGEST_SCALE)
        scale, again = _power_of_two(once), _power_of_two(exponent - once)
        first, second = first * scale * again, second * scale * again
    return np.where(is_nan, x, first), np.where(is_nan | np.isinf(first), 0.0, second)


def _power_of_two(exponent: npt.NDArray[np.int64]) -> Array:
    return ((exponent + 1023) << 52).view(np.float64)


def _plus(whole: float, pair: Pair) -> Pair:
    """A whole number of at least 1 and a pair of at most 1, added."""
    first = whole + pair[0]
    return first, ((whole - first) + pair[0]) + pair[1]


def _sum(one: Pair, other: Pair) -> Pair:
    first = one[0] + other[0]
    back = first - one[0]
    rest = (one[0] - (first - back)) + (other[0] - back)
    return first, rest + (one[1] + other[1])


def _quotient(above: Pair, below: Pair) -> Pair:
    """above / below, as a pair; Dekker's product says what the first part leaves."""
    with np.errstate(under="ignore", invalid="ignore"):
        first = above[0] / below[0]
        product = first * below[0]
        first_high, first_low = _split(first)
        below_high, below_low = _split(below[0])
        left = (
            ((first_high * below_high - product) + first_high * below_low) + first_low * below_high
        ) + first_low * below_low
        rest = ((above[0] - product) - left) + (above[1] - first * below[1])
        return first, rest / below[0]


def _split(x: Array) -> Pair:
    turned = _SPLITTER * x
    high = turned - (turned - x)
    return high, x - high


def of_one(function: str, x: float) -> float:
    """One of these functions, by name, for a single number: see `ELEMENTWISE`."""
    return float(ELEMENTWISE[function](np.array([x]))[0])


ELEMENTWISE = {"exp": exp, "logistic": logistic, "log1p_exp": log1p_exp}
