"""Shapley values of several records at once: every synthetic row of all of them in one question.

A record's players are what can change it: the features in which it differs from the baseline, and the units of its
texts. A coalition is worth the mean prediction over the baseline's rows with the coalition's part taken from the
record (in log-odds where they are asked for, before the mean). With few players every coalition is asked and the
values are exact; otherwise Kernel SHAP draws them, with the same seed for every record. The rows of a record are
baseline rows x min(NumberOfSamples or 2 n + 2048, 2**n - 2), as in SageMaker Clarify.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from glasskit.explain import games, sampling

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Rows = npt.NDArray[np.generic]
Method = Literal["exact-shapley", "kernel-shap"]

ROWS_AT_ONCE = 1 << 17
_MOST_ENUMERATED = 20


class Record(Protocol):
    """A record as its explanation needs it."""

    @property
    def n_players(self) -> int: ...

    def mixed(self, coalitions: Bools) -> Rows:
        """The synthetic rows of coalitions, each with every baseline row; (n * B, F)."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tabular:
    """A record whose players are whole features. row (F,), background (B, F), players: indices of features."""

    row: Rows
    background: Rows
    players: npt.NDArray[np.int64]

    @property
    def n_players(self) -> int:
        return len(self.players)

    def mixed(self, coalitions: Bools) -> Rows:
        """The record's values where the coalition has them, the baseline's elsewhere."""
        shape = (len(coalitions), len(self.background), len(self.row))
        rows = np.broadcast_to(self.background, shape).copy()
        for place, player in enumerate(self.players.tolist()):
            rows[coalitions[:, place], :, player] = self.row[player]
        return rows.reshape(-1, len(self.row))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How many coalitions of a record are asked about, None for 2 n + 2048, and the seed of the draws."""

    n_samples: int | None = None
    seed: int = 0

    def of(self, n_players: int) -> int:
        return 2 * n_players + 2048 if self.n_samples is None else self.n_samples

    def is_exact(self, n_players: int) -> bool:
        """Whether all coalitions are asked."""
        return n_players < 2 or (n_players <= _MOST_ENUMERATED and 2**n_players - 2 <= self.of(n_players))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Solved:
    """values: (players, K) for every record. method: the least exact that was needed."""

    values: tuple[Floats, ...]
    method: Method


def solve(
    records: Sequence[Record],
    ends: Floats,
    predict: Callable[[Rows], Floats],
    *,
    n_background: int,
    budget: Budget,
) -> Solved:
    """Shapley values of the records. ends: what nobody and everybody is worth, (R, 2, K).

    predict: rows -> (n, K), already in the space of the explanation.
    """
    plans = {n_players: _plan(n_players, budget) for n_players in {record.n_players for record in records}}
    own = [plans[record.n_players] for record in records]
    worths = _asked(records, [plan.inner for plan in own], predict, n_background)
    values = tuple(plan.values(worth, end) for plan, end, worth in zip(own, ends, worths, strict=True))
    is_exact = all(plan.is_exact for plan in own)
    return Solved(values=values, method="exact-shapley" if is_exact else "kernel-shap")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Plan:
    """The coalitions between nobody and everybody that are asked, and how values follow from what they are worth.

    operator: (players, coalitions + 2); the last two columns are for nobody and everybody.
    """

    inner: Bools
    operator: Floats
    is_exact: bool

    def values(self, worth: Floats, end: Floats) -> Floats:
        """The values of the players, (players, K), for the worth of the inner coalitions and of the ends."""
        return np.asarray(self.operator @ np.concatenate([worth.reshape(len(self.inner), end.shape[1]), end]))


def _plan(n_players: int, budget: Budget) -> _Plan:
    if n_players == 0:
        return _Plan(inner=np.empty((0, 0), dtype=np.bool_), operator=np.empty((0, 2)), is_exact=True)
    if budget.is_exact(n_players):
        inner = games.all_coalitions(n_players)[1:-1]
        return _Plan(inner=inner, operator=_by_definition(inner), is_exact=True)
    drawn = sampling.draws(n_players, budget.of(n_players), np.random.default_rng(budget.seed))
    inner, back = np.unique(drawn.coalitions, axis=0, return_inverse=True)
    weights: Floats = np.bincount(back.ravel(), weights=drawn.weights).astype(np.float64)
    return _Plan(inner=inner, operator=_by_least_squares(inner, weights), is_exact=False)


def _by_definition(inner: Bools) -> Floats:
    """The weights of Shapley's formula: those of joining for members, less those for the others."""
    n_players = inner.shape[1]
    every = np.concatenate([inner, np.zeros((1, n_players), np.bool_), np.ones((1, n_players), np.bool_)])
    joining = np.array([1.0 / (n_players * math.comb(n_players - 1, size)) for size in range(n_players)])
    sizes = every.sum(axis=1)[:, np.newaxis]
    return np.asarray(np.where(every, joining[sizes - 1], -joining[np.minimum(sizes, n_players - 1)]).T)


def _by_least_squares(inner: Bools, weights: Floats) -> Floats:
    """Kernel SHAP's weighted least squares, the last player's value held by the sum of all."""
    last = inner[:, -1].astype(np.float64)
    design = inner[:, :-1] - last[:, np.newaxis]
    weighted = design * weights[:, np.newaxis]
    of_targets = np.linalg.solve(design.T @ weighted, weighted.T)
    of_everybody = -of_targets @ last
    free = np.column_stack([of_targets, -of_targets.sum(axis=1) - of_everybody, of_everybody])
    rest = -free.sum(axis=0)
    rest[-2:] += (-1.0, 1.0)
    return np.concatenate([free, rest[np.newaxis]])


def _asked(
    records: Sequence[Record],
    coalitions: Sequence[Bools],
    predict: Callable[[Rows], Floats],
    n_background: int,
) -> list[Floats]:
    """What each record's coalitions are worth. Rows of many records are asked together, up to a bound of memory."""
    step = max(1, ROWS_AT_ONCE // n_background)
    pieces = [
        (at, coalitions[at][start : start + step])
        for at in range(len(records))
        for start in range(0, len(coalitions[at]), step)
    ]
    found: list[list[Floats]] = [[] for _ in records]
    for group in _grouped(pieces, step):
        answers = predict(np.concatenate([records[at].mixed(some) for at, some in group]))
        means = answers.reshape(-1, n_background, answers.shape[1]).mean(axis=1)
        for (at, _), part in zip(group, np.split(means, _ends(group)), strict=True):
            found[at].append(part)
    return [np.concatenate(parts) if parts else np.empty((0, 1)) for parts in found]


def _grouped(pieces: Sequence[tuple[int, Bools]], most: int) -> list[list[tuple[int, Bools]]]:
    groups: list[list[tuple[int, Bools]]] = []
    size = most
    for piece in pieces:
        if size + len(piece[1]) > most:
            groups.append([])
            size = 0
        groups[-1].append(piece)
        size += len(piece[1])
    return groups


def _ends(group: Sequence[tuple[int, Bools]]) -> list[int]:
    return list(itertools.accumulate(len(some) for _, some in group))[:-1]
