"""Axes: margins as positions, predictions as tick labels."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from glasskit.explain import explanations, words

_PROBABILITIES = (
    *(1e-6, 1e-5, 1e-4, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45),
    *(0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999),
    *(0.9999, 0.99999, 0.999999),
)
_LARGEST = 1e307
_MANY, _FEW, _MOST_DECIMALS = 1e8, 1e-7, 8
_LANDMARKS = frozenset({0.01, 0.1, 0.5, 0.9, 0.99})


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """How a chart names its horizontal axis; without a label the chart finds one for its link.

    lowers, raises: what contributions do, in the reader's words, such as "lowers the risk".
    """

    label: str = ""
    lowers: str = "lowers the prediction"
    raises: str = "raises the prediction"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A mark at a margin."""

    at: float
    text: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Margins low..high on pixels left..right."""

    low: float
    high: float
    left: float
    right: float

    def x(self, margin: float) -> float:
        """The pixel of a margin. Halves are taken first: the largest floats have no difference."""
        share = (margin / 2 - self.low / 2) / (self.high / 2 - self.low / 2)
        return self.left + share * (self.right - self.left)


def scale(margins: Sequence[float], *, left: float, right: float, padding: float = 0.06) -> Scale:
    """A scale that holds all margins with some room at both ends."""
    low, high = (min(max(end, -_LARGEST), _LARGEST) for end in (min(margins), max(margins)))
    room = (high - low) * padding
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        room = max(0.5, abs(high) * 1e-3) if high or low else 0.5
    return Scale(low=low - room, high=high + room, left=left, right=right)


def ticks(on: Scale, *, link: str, link_scale: float = 1.0, min_gap: float = 46.0) -> tuple[Tick, ...]:
    """Round predictions inside the scale, at least `min_gap` pixels apart."""
    if link == "logistic":
        kept = _thinned(_probability_ticks(on, link_scale, _PROBABILITIES), on, min_gap)
        if len(kept) < 3:
            kept = _thinned(_probability_ticks(on, link_scale, _between(on, link_scale)), on, min_gap)
        return kept
    marks = linear_ticks(on.low, on.high, n_most=max(2, int((on.right - on.left) / (min_gap * 2))))
    return tuple(
        Tick(at=mark.at, text=words.value(explanations.apply_link(link, mark.at * link_scale)))
        for mark in marks
    )


def linear_ticks(low: float, high: float, *, n_most: int) -> tuple[Tick, ...]:
    """Round numbers from low to high, at most about `n_most`.

    >>> [tick.text for tick in linear_ticks(-1.0, 1.0, n_most=5)]
    ['−1', '−0.5', '0', '+0.5', '+1']
    """
    rough = max(high / n_most - low / n_most, 5e-324 * n_most)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple(Tick(at=index * step, text=signed(index * step)) for index in range(first, last + 1))


def signed(number: float, digits: int = 4) -> str:
    """A number with its sign; zero has none."""
    return f"{number:+.{digits}g}".replace("-", "−") if number else "0"


def decimals_for(largest: float) -> int:
    """Decimals that show the largest of several numbers with three significant digits.

    >>> decimals_for(0.719), decimals_for(12.3), decimals_for(4000.0)
    (3, 1, 0)
    """
    if not 0 < largest < math.inf:
        return 2
    return min(_MOST_DECIMALS, max(0, 2 - math.floor(math.log10(largest))))


def fixed(number: float, decimals: int) -> str:
    """A number with its sign and a fixed number of decimals; zero has no sign.

    >>> fixed(-0.3, 2), fixed(0.0, 2), fixed(-0.001, 2), fixed(-2.5e12, 0)
    ('−0.30', '0.00', '0.00', '−2.5e+12')
    """
    if abs(number) >= _MANY or (0 < abs(number) < _FEW and decimals >= _MOST_DECIMALS):
        return f"{number:+.3g}".replace("-", "−", 1)
    rounded = round(number, decimals)
    return f"{rounded:+,.{decimals}f}".replace("-", "−") if rounded else f"{0:.{decimals}f}"


def _between(on: Scale, link_scale: float) -> list[float]:
    """Round probabilities of a narrow scale; the fixed ones where it reaches beyond them."""
    low, high = (explanations.apply_link("logistic", end * link_scale) for end in (on.low, on.high))
    if not 1e-6 < low < high < 1 - 1e-6 or high - low < 1e-9:
        return list(_PROBABILITIES)
    return [tick.at for tick in linear_ticks(low, high, n_most=6) if 0 < tick.at < 1]


def _probability_ticks(on: Scale, link_scale: float, shares: Sequence[float]) -> list[tuple[float, Tick]]:
    found = []
    for share in shares:
        margin = math.log(share / (1.0 - share)) / link_scale
        if on.low <= margin <= on.high:
            text = f"{share * 100:.6g}"
            found.append((share, Tick(at=margin, text=text)))
    return found


def _thinned(found: list[tuple[float, Tick]], on: Scale, min_gap: float) -> tuple[Tick, ...]:
    """Landmarks first, then rounder numbers before less round ones, as far as they fit."""

    def rank(entry: tuple[float, Tick]) -> tuple[bool, int, float]:
        share, tick = entry
        return share not in _LANDMARKS, len(tick.text.strip("0.")), abs(share - 0.5)

    kept: list[Tick] = []
    for _, tick in sorted(found, key=rank):
        if all(abs(on.x(tick.at) - on.x(other.at)) >= min_gap for other in kept):
            kept.append(tick)
    return tuple(sorted(kept, key=lambda tick: tick.at))
