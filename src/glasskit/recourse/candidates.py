"""Levers -> the finitely many moves that matter to a model.

Between two neighbouring thresholds the model cannot tell values apart, so of each such cell only the
value nearest to the present one counts. Cells are found by bisection over the whole numbers that
stand for the allowed values (steps, or the float64 numbers themselves), which is exact also where
other columns move along or the model rounds to float32.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Sequence

import numpy as np

from glasskit import trees
from glasskit.recourse import levers, questions

Floats = questions.Floats
Indices = questions.Indices

_BITS = 64
_MOST_STEPS = 2.0**52
_SMALLEST = np.int64(np.iinfo(np.int64).min)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidates:
    """The moves of one lever, the cheapest first; the first is to stay."""

    lever: str
    columns: Indices
    values: Floats
    costs: Floats
    labels: tuple[object, ...]

    def __len__(self) -> int:
        return len(self.costs)


def of(lever: levers.Lever, ensemble: trees.Ensemble, row: Floats) -> Candidates:
    """The moves of a lever for one row."""
    columns = np.array([ensemble.feature_names.index(name) for name in lever.columns], dtype=np.int64)
    if isinstance(lever, levers.Choice):
        return _options(lever, columns, row)
    return _numbers(lever, columns, ensemble, row)


def _packed(
    lever: levers.Lever,
    columns: Indices,
    row: Floats,
    stay: object,
    moves: Sequence[tuple[float, Floats, object]],
) -> Candidates:
    ranked = sorted(moves, key=lambda move: move[0])
    return Candidates(
        lever=lever.name,
        columns=columns,
        values=np.array([row[columns], *(values for _, values, _ in ranked)]),
        costs=np.array([0.0, *(cost for cost, _, _ in ranked)]),
        labels=(stay, *(label for _, _, label in ranked)),
    )


def _options(lever: levers.Choice, columns: Indices, row: Floats) -> Candidates:
    names = list(lever.options)
    values = [np.array([lever.options[name][column] for column in lever.columns]) for name in names]
    present = [index for index, given in enumerate(values) if np.array_equal(given, row[columns])]
    at = present[0] if present else None
    if lever.direction != "any" and at is None:
        raise levers.LeverInvalid(lever.name, "is one-way, but the row has none of its options")
    allowed = [
        index
        for index in range(len(names))
        if index not in present and (at is None or _is_ahead(lever.direction, at, index))
    ]
    moves = [(lever.cost(names[index]), values[index], names[index]) for index in allowed]
    return _packed(lever, columns, row, None if at is None else names[at], moves)


def _is_ahead(direction: levers.Direction, old: int, new: int) -> bool:
    return direction == "any" or (new > old if direction == "up" else new < old)


def _numbers(lever: levers.Number, columns: Indices, ensemble: trees.Ensemble, row: Floats) -> Candidates:
    old = float(row[columns[0]])
    is_missing = math.isnan(old)
    stays = not is_missing and not math.isfinite(old)
    if stays or (is_missing and (lever.missing_cost is None or lever.moves)):
        return _packed(lever, columns, row, old, [])
    shifts = np.array([1.0, *lever.moves.values()])

    def moved(new: Floats, which: Indices) -> Floats:
        """The value of the which-th of the lever's columns when the first becomes `new`."""
        along = row[columns[which]] + shifts[which] * (new - old)
        return np.asarray(np.where(which == 0, new, along))

    moves: list[tuple[float, Floats, object]] = []
    for new in _nearest(lever, columns, ensemble, old, moved):
        cost = lever.missing_cost if is_missing else None
        values = moved(np.full(len(columns), new), np.arange(len(columns)))
        moves.append((lever.cost(old, new) if cost is None else cost, values, new))
    return _packed(lever, columns, row, old, moves)


def _nearest(
    lever: levers.Number,
    columns: Indices,
    ensemble: trees.Ensemble,
    old: float,
    moved: Callable[[Floats, Indices], Floats],
) -> list[float]:
    """Of each cell of values that the model cannot tell apart, the allowed value nearest to the old one."""
    value, low, high = _grid(lever, old)
    if low > high:
        return []
    ends = [low, *_turning_points(lever, columns, ensemble, moved, value, low, high), high + 1]
    found = []
    for start, stop in itertools.pairwise(ends):
        first, last = (float(value(np.array([at]))[0]) for at in (start, stop - 1))
        if not first <= old <= last:
            found.append(_nearer(first, last, old))
    return found


def _nearer(first: float, last: float, old: float) -> float:
    """Of a cell that does not hold the old value, the value nearest to it; to none, a value near zero."""
    return min(max(0.0, first), last) if math.isnan(old) else last if last < old else first


def _grid(lever: levers.Number, old: float) -> tuple[Callable[[Indices], Floats], int, int]:
    """(whole number -> allowed value, the lowest number, the highest); rising with the number."""
    low = max(lever.low, old) if lever.direction == "up" and not math.isnan(old) else lever.low
    high = min(lever.high, old) if lever.direction == "down" and not math.isnan(old) else lever.high
    step = lever.step
    if step is None:
        largest = float(np.finfo(np.float64).max)
        ends = np.array([min(max(end, -largest), largest) for end in (low, high)], dtype=np.float64)
        first, last = _ordinal(ends).tolist()
        return _from_ordinal, first, last
    low, high = max(low, -step * _MOST_STEPS), min(high, step * _MOST_STEPS)
    first, last = math.ceil(low / step) - 1, math.floor(high / step) + 1
    while first * step < low:
        first += 1
    while last * step > high:
        last -= 1
    return (lambda numbers: numbers.astype(np.float64) * step), first, last


def _turning_points(
    lever: levers.Number,
    columns: Indices,
    ensemble: trees.Ensemble,
    moved: Callable[[Floats, Indices], Floats],
    value: Callable[[Indices], Floats],
    low: int,
    high: int,
) -> list[int]:
    """The numbers at which an answer of the model changes, rising."""
    thresholds, inclusive, which = [], [], []
    for index, column in enumerate(columns.tolist()):
        for turn in _turns(lever, ensemble, column):
            thresholds.append(turn.threshold)
            inclusive.append(turn.inclusive)
            which.append(index)
    at, kind = np.array(which, dtype=np.int64), np.array(inclusive, dtype=np.bool_)
    limits = np.array(thresholds, dtype=np.float64)

    def beyond(numbers: Indices) -> questions.Bools:
        with np.errstate(over="ignore"):
            return questions.passed(ensemble, moved(value(numbers), at), limits, kind)

    lower, upper = np.full(len(at), low, dtype=np.int64), np.full(len(at), high, dtype=np.int64)
    before, after = beyond(lower), beyond(upper)
    turning = before != after
    for _ in range(_BITS):
        middle = (lower >> 1) + (upper >> 1) + (lower & upper & 1)
        same = beyond(middle) == before
        lower, upper = np.where(same, middle, lower), np.where(same, upper, middle)
    return sorted(set(upper[turning].tolist()))


def _turns(lever: levers.Number, ensemble: trees.Ensemble, column: int) -> list[questions.Turn]:
    try:
        return questions.turns(ensemble, column)
    except LookupError as exc:
        name = ensemble.feature_names[column]
        raise levers.LeverInvalid(
            lever.name, f"moves {name!r} as a number, but the model takes it for a category"
        ) from exc


def _ordinal(numbers: Floats) -> Indices:
    """float64 -> whole numbers in the same order; -0.0 and 0.0 are one."""
    bits = numbers.view(np.int64)
    return np.asarray(np.where(bits >= 0, bits, _SMALLEST - bits))


def _from_ordinal(numbers: Indices) -> Floats:
    bits: Indices = np.where(numbers >= 0, numbers, _SMALLEST - numbers)
    return bits.view(np.float64)
