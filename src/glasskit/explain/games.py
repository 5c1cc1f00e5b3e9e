"""What a model-agnostic explanation plays: a predict function, a background, and players.

The value of a coalition is the mean prediction of the background's rows with the coalition's columns
taken from the explained row (the interventional game). A player is a column, or a group of columns
that only appear together.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]
Predict = Callable[[Floats], npt.ArrayLike]
Space = Literal["prediction", "log-odds"]

_ROWS_AT_ONCE = 1 << 16


class BadPredictions(ValueError):
    """A predict function that does not answer as it must."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"The predict function {reason}.")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Game:
    """The game of one row. members: players x columns, true where the player owns the column."""

    predict: Predict
    row: Floats
    background: Floats
    members: Bools
    space: Space = "prediction"

    @property
    def n_players(self) -> int:
        return len(self.members)

    def worth(self, coalitions: Bools) -> Floats:
        """The value of each coalition; (n, K)."""
        n_background = len(self.background)
        step = max(1, _ROWS_AT_ONCE // n_background)
        parts = []
        for start in range(0, len(coalitions), step):
            chosen = coalitions[start : start + step].astype(np.float32)
            columns = chosen @ self.members.astype(np.float32) > 0.5
            mixed = np.where(columns[:, np.newaxis, :], self.row, self.background)
            answers = answered(self.predict, mixed.reshape(-1, len(self.row)), self.space)
            parts.append(answers.reshape(len(columns), n_background, -1).mean(axis=1))
        return np.concatenate(parts)


def answered(predict: Predict, rows: Floats, space: Space) -> Floats:
    """What the function predicts for rows, checked, in the space of the explanation; (n, K)."""
    answers = np.asarray(predict(rows), dtype=np.float64)
    if answers.ndim == 1:
        answers = answers[:, np.newaxis]
    if answers.ndim != 2 or len(answers) != len(rows):
        raise BadPredictions(f"answers {len(rows)} rows with the shape {answers.shape}")
    if space == "log-odds":
        with np.errstate(divide="ignore", invalid="ignore"):
            answers = np.log(answers) - np.log1p(-answers)
    if not np.isfinite(answers).all():
        at = int(np.flatnonzero(~np.isfinite(answers).all(axis=1))[0])
        raise BadPredictions(
            f"answers row {at} of {len(rows)} with what is not a finite number in {space} space"
        )
    return answers


def players(
    names: Sequence[str], groups: Mapping[str, Sequence[str]] | None
) -> tuple[tuple[str, ...], Bools]:
    """(players' names, members): the groups in their order, each with its columns; other columns alone."""
    owner = {column: group for group, columns in (groups or {}).items() for column in columns}
    unknown = sorted(set(owner) - set(names))
    if unknown:
        raise ValueError(f"a feature group names {unknown[0]!r}, which is no column")
    if len(owner) != sum(len(columns) for columns in (groups or {}).values()):
        raise ValueError("a column is in two feature groups")
    listed = tuple(dict.fromkeys(owner.get(name, name) for name in names))
    members = np.zeros((len(listed), len(names)), dtype=np.bool_)
    for column, name in enumerate(names):
        members[listed.index(owner.get(name, name)), column] = True
    return listed, members


def all_coalitions(n_players: int) -> Bools:
    """Every coalition, in the order of its number in binary; (2**M, M)."""
    numbers = np.arange(1 << n_players)
    return (numbers[:, np.newaxis] >> np.arange(n_players) & 1).astype(np.bool_)


def exact(game: Game) -> Floats:
    """Shapley values from their definition, over all coalitions; (M, K)."""
    n_players = game.n_players
    coalitions = all_coalitions(n_players)
    worth = game.worth(coalitions)
    sizes = coalitions.sum(axis=1)
    values = np.empty((n_players, worth.shape[1]))
    numbers = np.arange(len(coalitions))
    for player in range(n_players):
        without = numbers[~coalitions[:, player]]
        weights = np.array([1.0 / (n_players * math.comb(n_players - 1, size)) for size in sizes[without]])
        values[player] = weights @ (worth[without | 1 << player] - worth[without])
    return values


def exact_interactions(game: Game) -> Floats:
    """Shapley interaction values over all coalitions; (M, M, K), half of a pair's effect on either side.

    The diagonal holds what is left of each player's Shapley value, so that rows sum to it.
    Source: Lundberg et al. (2018), equations 3 to 5.
    """
    n_players = game.n_players
    coalitions = all_coalitions(n_players)
    worth = game.worth(coalitions)
    sizes, numbers = coalitions.sum(axis=1), np.arange(len(coalitions))
    matrix = np.zeros((n_players, n_players, worth.shape[1]))
    for one in range(n_players):
        for other in range(one):
            without = numbers[~coalitions[:, one] & ~coalitions[:, other]]
            first, second = without | 1 << one, without | 1 << other
            weights = np.array(
                [0.5 / ((n_players - 1) * math.comb(n_players - 2, size)) for size in sizes[without]]
            )
            joint = worth[first | second] - worth[first] - worth[second] + worth[without]
            matrix[one, other] = matrix[other, one] = weights @ joint
    places = np.arange(n_players)
    matrix[places, places] = exact(game) - matrix.sum(axis=1)
    return matrix
