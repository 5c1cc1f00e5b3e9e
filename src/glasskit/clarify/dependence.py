"""Partial dependence: the mean prediction with one feature set to each value of a grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from glasskit.clarify import asking, coding
from glasskit.explain import dependence

Floats = npt.NDArray[np.float64]
_ROWS_AT_ONCE = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curve:
    """One feature. values: (G,) of its grid; predictions: (K, G) means; distribution: (G,) share of rows near each."""

    name: str
    is_number: bool
    values: tuple[Any, ...]
    predictions: Floats
    distribution: Floats

    def to_json(self) -> dict[str, Any]:
        """As in analysis.json."""
        return {
            "feature_name": self.name,
            "data_type": "numerical" if self.is_number else "categorical",
            "feature_values": list(self.values),
            "model_predictions": self.predictions.tolist(),
            "data_distribution": self.distribution.tolist(),
        }


def curves(
    model: asking.Model,
    matrix: Floats,
    columns: coding.Coding,
    names: Sequence[str],
    *,
    grid: int,
    progress: Callable[[int, int], None],
) -> list[Curve]:
    """The curve of each feature."""
    found = []
    for index, name in enumerate(names):
        found.append(_curve(model, matrix, columns, columns.names.index(name), grid))
        progress(index + 1, len(names))
    return found


def _curve(model: asking.Model, matrix: Floats, columns: coding.Coding, at: int, grid: int) -> Curve:
    column = columns.columns[at]
    is_number = column.kind != "category"
    known = matrix[np.isfinite(matrix[:, at]), at]
    if not is_number:
        points = np.unique(known)
    elif len(known):
        points = dependence.grid(known, grid, (0.0, 1.0))
    else:
        points = np.array([np.nan])
    means = np.array([_mean(model, matrix, at, point) for point in points])
    near = (
        np.searchsorted((points[1:] + points[:-1]) / 2, known)
        if len(points) > 1
        else np.zeros(len(known), int)
    )
    return Curve(
        name=column.name,
        is_number=is_number,
        values=tuple(column.decoded(points)),
        predictions=means.T,
        distribution=np.bincount(near, minlength=len(points)) / max(1, len(known)),
    )


def _mean(model: asking.Model, matrix: Floats, at: int, point: float) -> Floats:
    """The mean score of all rows with the column set; (K,)."""
    total: Floats | None = None
    for start in range(0, len(matrix), _ROWS_AT_ONCE):
        changed = matrix[start : start + _ROWS_AT_ONCE].copy()
        changed[:, at] = point
        part = model.scores(changed).sum(axis=0)
        total = part if total is None else total + part
    if total is None:
        raise AssertionError("a dataset has rows")
    return np.asarray(total / len(matrix))
