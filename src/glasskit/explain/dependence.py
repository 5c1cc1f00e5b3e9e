"""How a model depends on its columns: partial dependence, individual expectation, permutation importance.

Partial dependence is the mean prediction over the rows with a column set to each value of a grid;
individual conditional expectation (ICE) is the same for each row alone. Sources: Friedman (2001),
section 8.2; Goldstein et al. (2015); Breiman (2001), section 10. Beware: where columns depend on each
other, all three ask the model about rows that do not occur.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from glasskit.explain import games

Floats = games.Floats
Score = Callable[[npt.NDArray[np.generic], Floats], float]
"""(truth, predictions) -> the higher the better."""

_ROWS_AT_ONCE = 1 << 16


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dependence:
    """Predictions over the grid of one column, or of two.

    grids: the values of each column. individual: (n, grid) or (n, grid, grid), every row's own
    prediction with its columns set; mean: their mean over the rows.
    """

    feature_names: tuple[str, ...]
    grids: tuple[Floats, ...]
    individual: Floats
    mean: Floats

    def centred(self) -> Floats:
        """ICE curves from a common start: what each row gains from the grid's first value on."""
        first = self.individual[(slice(None), *(slice(1) for _ in self.grids))]
        return np.asarray(self.individual - first)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Importance:
    """How much worse a score gets when a column (or group) is shuffled; losses: (M, repeats)."""

    feature_names: tuple[str, ...]
    score: float
    losses: Floats

    @property
    def mean(self) -> Floats:
        return np.asarray(self.losses.mean(axis=1))

    @property
    def deviation(self) -> Floats:
        """The standard deviation over the repeats."""
        return np.asarray(self.losses.std(axis=1))


def partial_dependence(
    predict: games.Predict,
    rows: Floats,
    features: str | Sequence[str],
    *,
    feature_names: Sequence[str],
    grid_resolution: int = 50,
    percentiles: tuple[float, float] = (0.05, 0.95),
    grids: Sequence[npt.ArrayLike] | None = None,
) -> Dependence:
    """The dependence on one column or two. grids: values to ask about, instead of those of the rows.

    A column with no more different values than grid_resolution is asked about at each of them;
    otherwise at evenly spaced values between two percentiles. Missing values are not in the grid.
    """
    wanted = (features,) if isinstance(features, str) else tuple(features)
    if len(wanted) not in (1, 2):
        raise ValueError(f"partial dependence is of one or two columns, not {len(wanted)}")
    matrix = _matrix(rows, feature_names)
    columns = [_column(name, feature_names) for name in wanted]
    if grids is None:
        values = tuple(grid(matrix[:, at], grid_resolution, percentiles) for at in columns)
    else:
        values = tuple(np.asarray(given, dtype=np.float64) for given in grids)
    points = np.array(list(itertools.product(*values)))
    individual = _asked(predict, matrix, columns, points)
    individual = individual.reshape(len(matrix), *(len(one) for one in values))
    return Dependence(feature_names=wanted, grids=values, individual=individual, mean=individual.mean(axis=0))


def grid(column: Floats, resolution: int, percentiles: tuple[float, float]) -> Floats:
    """The values that a column is asked about."""
    if resolution < 2:
        raise ValueError(f"grid_resolution is {resolution}, but a grid needs at least 2 values")
    low, high = percentiles
    if not 0.0 <= low < high <= 1.0:
        raise ValueError(f"percentiles are {percentiles}, not two rising numbers in 0..1")
    known = column[~np.isnan(column)]
    if not len(known):
        raise ValueError("a column without a value has no grid")
    different = np.unique(known)
    if len(different) <= resolution:
        return different
    known.sort()
    return np.linspace(_quantile(known, low), _quantile(known, high), resolution)


def _quantile(ordered: Floats, share: float) -> float:
    """The quantile of Cunnane (1978), which scikit-learn's grids use."""
    at = len(ordered) * share + 0.4 + 0.2 * share
    below = int(min(max(at, 1.0), len(ordered) - 1.0))
    part = min(max(at - below, 0.0), 1.0)
    return float((1.0 - part) * ordered[below - 1] + part * ordered[below])


def permutation_importance(
    predict: games.Predict,
    rows: Floats,
    truth: npt.ArrayLike,
    *,
    score: Score,
    feature_names: Sequence[str],
    groups: dict[str, Sequence[str]] | None = None,
    n_repeats: int = 5,
    seed: int = 0,
) -> Importance:
    """What the model loses when a column's values are shuffled among the rows; groups shuffle together."""
    matrix, known = _matrix(rows, feature_names), np.asarray(truth)
    if len(known) != len(matrix):
        raise ValueError(f"{len(matrix)} rows and {len(known)} truths do not match")
    names, members = games.players(feature_names, groups)
    score_before = score(known, np.asarray(predict(matrix), dtype=np.float64))
    losses = np.empty((len(names), n_repeats))
    random = np.random.default_rng(seed)
    orders = [random.permutation(len(matrix)) for _ in range(n_repeats)]
    for player, owned in enumerate(members):
        for repeat, order in enumerate(orders):
            shuffled = np.where(owned, matrix[order], matrix)
            after = score(known, np.asarray(predict(shuffled), dtype=np.float64))
            losses[player, repeat] = score_before - after
    return Importance(feature_names=names, score=score_before, losses=losses)


def _asked(predict: games.Predict, matrix: Floats, columns: Sequence[int], points: Floats) -> Floats:
    """(rows, points): each row's prediction with its columns set to each point."""
    step = max(1, _ROWS_AT_ONCE // max(1, len(matrix)))
    parts = []
    for start in range(0, len(points), step):
        some = points[start : start + step]
        changed = np.repeat(matrix[np.newaxis], len(some), axis=0)
        changed[:, :, list(columns)] = some[:, np.newaxis, :]
        answers = games.answered(predict, changed.reshape(-1, matrix.shape[1]), "prediction")
        if answers.shape[1] != 1:
            raise games.BadPredictions(f"answers {answers.shape[1]} outputs; choose one")
        parts.append(answers.reshape(len(some), len(matrix)))
    return np.concatenate(parts).T


def _column(name: str, feature_names: Sequence[str]) -> int:
    if name not in feature_names:
        raise ValueError(f"{name!r} is not one of the columns")
    return list(feature_names).index(name)


def _matrix(rows: Floats, feature_names: Sequence[str]) -> Floats:
    matrix = np.asarray(rows, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[1] != len(feature_names) or not len(matrix):
        raise ValueError(f"the rows have the shape {matrix.shape}, the columns are {len(feature_names)}")
    return matrix
