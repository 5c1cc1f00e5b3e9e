"""Shapley values of any predict function: Kernel SHAP and permutation SHAP, seeded and with errors.

With few players every coalition is asked, and the values are exact. Otherwise Kernel SHAP asks
completely for the coalition sizes that weigh most, as far as the budget goes, and draws from the
others in pairs with their complements. The least squares problem is solved with the sum of the values
held by elimination, so they always add up. Every row is explained with the same draws, so a row's
explanation does not depend on the rows beside it.

Sources: Lundberg and Lee (2017), theorem 2; Covert and Lee (2021), pairing; Mitchell et al. (2022),
permutations and their reverse.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np

from glasskit.explain import explanations, games

Floats = games.Floats
Bools = games.Bools
Method = Literal["exact", "kernel", "permutation"]
Solution = tuple[Floats, Floats]
"""(values, standard errors), both (M, K)."""

_MOST_PLAYERS_TO_ENUMERATE = 20


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Question:
    """What is explained: a predict function, against the mean over a background, by column or group."""

    predict: games.Predict
    background: Floats
    feature_names: Sequence[str]
    groups: Mapping[str, Sequence[str]] | None = None
    space: games.Space = "prediction"

    def __post_init__(self) -> None:
        shape = np.shape(self.background)
        if len(shape) != 2 or not shape[0] or shape[1] != len(self.feature_names):
            raise ValueError(
                f"the background has the shape {shape}, the columns are {len(self.feature_names)}"
            )


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sampled:
    """An explanation, and the standard error of each of its values (0 where it is exact)."""

    explanation: explanations.Explanation
    errors: Floats
    method: Method


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Draws:
    """Coalitions with their weights. The first `n_certain` are not drawn; the others stand in pairs."""

    coalitions: Bools
    weights: Floats
    n_certain: int


def kernel_shap(question: Question, rows: Floats, *, n_samples: int | None = None, seed: int = 0) -> Sampled:
    """Kernel SHAP. n_samples: coalitions asked about per row, 2 M + 2048 if None; exact where that is all."""
    n_players = len(games.players(question.feature_names, question.groups)[0])
    budget = 2 * n_players + 2048 if n_samples is None else n_samples
    if budget < 2 * n_players:
        raise ValueError(f"n_samples is {budget}, but {n_players} players need at least {2 * n_players}")
    if _is_few(n_players, budget + 2):
        return _solved(question, rows, "exact", _exactly)
    drawn = draws(n_players, budget, np.random.default_rng(seed))
    return _solved(question, rows, "kernel", lambda game: least_squares(game, drawn))


def permutation_shap(question: Question, rows: Floats, *, n_permutations: int = 64, seed: int = 0) -> Sampled:
    """Permutation SHAP: players join in random orders, and in the reverse of each; exact with few players."""
    if n_permutations < 2:
        raise ValueError(f"n_permutations is {n_permutations}, but errors need at least 2")
    n_players = len(games.players(question.feature_names, question.groups)[0])
    if _is_few(n_players, 2 * n_permutations * n_players):
        return _solved(question, rows, "exact", _exactly)
    random = np.random.default_rng(seed)
    orders = np.array([random.permutation(n_players) for _ in range(n_permutations)])
    return _solved(question, rows, "permutation", lambda game: _permuted(game, orders))


def draws(n_players: int, budget: int, random: np.random.Generator) -> Draws:
    """The coalitions of Kernel SHAP; their weights are those of the Shapley kernel and sum to 1."""
    sizes = range(1, n_players // 2 + 1)
    shares = {size: (1 if 2 * size == n_players else 2) / (size * (n_players - size)) for size in sizes}
    total = sum(shares.values())
    left, certain, weights = budget, list[Bools](), list[Floats]()
    for size in sizes:
        n_of_size = math.comb(n_players, size) * (1 if 2 * size == n_players else 2)
        share_left = sum(shares[other] for other in sizes if other >= size)
        if size > 1 and (left * shares[size] / share_left < n_of_size or n_of_size > left):
            break
        coalitions = _all_of_size(n_players, size)
        certain.append(coalitions)
        weights.append(np.full(len(coalitions), shares.pop(size) / total / n_of_size))
        left -= n_of_size
    n_pairs, rest = left // 2, sum(shares.values()) / total
    if shares and n_pairs >= 2:
        certain.append(_pairs(n_players, shares, n_pairs, random))
        weights.append(np.full(2 * n_pairs, rest / (2 * n_pairs)))
    drawn = 2 * n_pairs if shares and n_pairs >= 2 else 0
    coalitions = np.concatenate(certain)
    return Draws(coalitions=coalitions, weights=np.concatenate(weights), n_certain=len(coalitions) - drawn)


def _all_of_size(n_players: int, size: int) -> Bools:
    """All coalitions of a size and their complements."""
    chosen = np.array(list(itertools.combinations(range(n_players), size)))
    some = np.zeros((len(chosen), n_players), dtype=np.bool_)
    some[np.arange(len(chosen))[:, np.newaxis], chosen] = True
    return some if 2 * size == n_players else np.concatenate([some, ~some])


def _pairs(n_players: int, shares: Mapping[int, float], n_pairs: int, random: np.random.Generator) -> Bools:
    """Random coalitions, each followed by its complement."""
    chances = np.array(list(shares.values()))
    drawn = random.choice(list(shares), size=n_pairs, p=chances / chances.sum())
    ranks = random.random((n_pairs, n_players)).argsort(axis=1).argsort(axis=1)
    some = ranks < drawn[:, np.newaxis]
    return np.stack([some, ~some], axis=1).reshape(-1, n_players)


def least_squares(game: games.Game, drawn: Draws) -> Solution:
    """The weighted least squares solution whose values sum to what the row differs from the background by."""
    ends = game.worth(np.array([np.zeros(game.n_players), np.ones(game.n_players)], dtype=np.bool_))
    empty, difference = ends[0], ends[1] - ends[0]
    different, back = np.unique(drawn.coalitions, axis=0, return_inverse=True)
    worth = game.worth(different)[back.ravel()] - empty
    last = drawn.coalitions[:, -1].astype(np.float64)
    design = drawn.coalitions[:, :-1] - last[:, np.newaxis]
    target = worth - last[:, np.newaxis] * difference
    weighted = design * drawn.weights[:, np.newaxis]
    gram = design.T @ weighted
    free = np.linalg.solve(gram, weighted.T @ target)
    values = np.concatenate([free, difference[np.newaxis] - free.sum(axis=0)])
    return values, _errors(design, target - design @ free, drawn, gram)


def _errors(design: Floats, residuals: Floats, drawn: Draws, gram: Floats) -> Floats:
    """Standard errors over the random pairs (the sandwich estimator)."""
    n_outputs = residuals.shape[1]
    errors = np.zeros((len(gram) + 1, n_outputs))
    sampled = slice(drawn.n_certain, None)
    n_pairs = (len(design) - drawn.n_certain) // 2
    if n_pairs < 2:
        return errors
    inverse, weight = np.linalg.inv(gram), drawn.weights[-1]
    for output in range(n_outputs):
        scores = design[sampled] * residuals[sampled, output : output + 1]
        by_pair = scores.reshape(n_pairs, 2, -1).sum(axis=1)
        centred = by_pair - by_pair.mean(axis=0)
        middle = weight**2 * n_pairs / (n_pairs - 1) * (centred.T @ centred)
        covariance = inverse @ middle @ inverse
        errors[:-1, output] = np.sqrt(np.maximum(np.diag(covariance), 0.0))
        errors[-1, output] = math.sqrt(max(float(covariance.sum()), 0.0))
    return errors


def _permuted(game: games.Game, orders: games.Indices) -> Solution:
    n_orders, n_players = orders.shape
    both = np.stack([orders, orders[:, ::-1]], axis=1).reshape(-1, n_players)
    ranks = both.argsort(axis=1)
    coalitions = ranks[:, np.newaxis, :] < np.arange(n_players + 1)[np.newaxis, :, np.newaxis]
    different, back = np.unique(coalitions.reshape(-1, n_players), axis=0, return_inverse=True)
    worth = game.worth(different)[back.ravel()].reshape(len(both), n_players + 1, -1)
    steps = np.diff(worth, axis=1)
    gains = np.take_along_axis(steps, ranks[:, :, np.newaxis], axis=1)
    by_order = gains.reshape(n_orders, 2, n_players, -1).mean(axis=1)
    return by_order.mean(axis=0), by_order.std(axis=0, ddof=1) / math.sqrt(n_orders)


def _is_few(n_players: int, budget: int) -> bool:
    return n_players < 2 or (n_players <= _MOST_PLAYERS_TO_ENUMERATE and 2**n_players <= budget)


def _exactly(game: games.Game) -> Solution:
    values = games.exact(game)
    return values, np.zeros_like(values)


def _solved(
    question: Question, rows: Floats, method: Method, solve: Callable[[games.Game], Solution]
) -> Sampled:
    """Every row's game solved, as one explanation."""
    names, members = games.players(question.feature_names, question.groups)
    matrix = np.atleast_2d(np.asarray(rows, dtype=np.float64))
    if matrix.shape[1] != len(question.feature_names):
        raise ValueError(
            f"the rows have the shape {matrix.shape}, the columns are {len(question.feature_names)}"
        )
    bases = games.answered(question.predict, question.background, question.space).mean(axis=0)
    values = np.empty((len(matrix), len(names), len(bases)))
    errors = np.empty_like(values)
    for at, row in enumerate(matrix):
        game = games.Game(
            predict=question.predict,
            row=row,
            background=question.background,
            members=members,
            space=question.space,
        )
        values[at], errors[at] = solve(game)
    single = len(bases) == 1
    repeated = np.tile(bases, (len(matrix), 1))
    explanation = explanations.Explanation(
        values=values[..., 0] if single else values,
        base_values=repeated[:, 0] if single else repeated,
        data=players_data(matrix, names, members),
        feature_names=names,
        link="logistic" if question.space == "log-odds" else "identity",
    )
    return Sampled(explanation=explanation, errors=errors[..., 0] if single else errors, method=method)


def players_data(matrix: Floats, names: Sequence[str], members: Bools) -> explanations.Data:
    """Each player's value: its column's, or None for a group of several."""
    if len(names) == matrix.shape[1]:
        return matrix
    data = np.full((len(matrix), len(names)), None, dtype=object)
    for player, owned in enumerate(members):
        if owned.sum() == 1:
            data[:, player] = matrix[:, int(np.flatnonzero(owned)[0])]
    return data
