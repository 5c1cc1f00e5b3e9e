"""Which class was predicted for which: a table of counts, and everything that follows from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Confusion:
    """counts: (K, K) rows by [label, predicted]; classes: (K,), sorted."""

    classes: tuple[Any, ...]
    counts: Floats

    @property
    def n(self) -> float:
        """Rows."""
        return float(self.counts.sum())

    @property
    def found(self) -> Floats:
        """Rows of each class that were predicted as it."""
        return np.asarray(np.diag(self.counts))

    @property
    def actual(self) -> Floats:
        """Rows of each class."""
        return np.asarray(self.counts.sum(axis=1))

    @property
    def predicted(self) -> Floats:
        """Rows predicted as each class."""
        return np.asarray(self.counts.sum(axis=0))

    def constantly(self, at: int) -> Confusion:
        """What it would be if the class at that place were predicted for every row."""
        counts = np.zeros_like(self.counts)
        counts[:, at] = self.actual
        return Confusion(classes=self.classes, counts=counts)

    def to_json(self) -> dict[str, dict[str, int]]:
        """`{label: {predicted: rows}}`, as Model Monitor writes it."""
        names = [str(value) for value in self.classes]
        return {
            name: {other: int(n) for other, n in zip(names, row, strict=True)}
            for name, row in zip(names, self.counts, strict=True)
        }


def of(label: npt.ArrayLike, predicted: npt.ArrayLike) -> Confusion:
    """The confusion of two arrays of class values, both (n,)."""
    observed, forecast = np.asarray(label), np.asarray(predicted)
    if observed.shape != forecast.shape or observed.ndim != 1:
        raise ValueError(
            f"label {observed.shape} and predicted {forecast.shape} need one value per row and as many rows"
        )
    classes = np.union1d(observed, forecast)
    size = len(classes)
    codes = np.searchsorted(classes, observed) * size + np.searchsorted(classes, forecast)
    counts = np.bincount(codes, minlength=size * size).reshape(size, size)
    return Confusion(classes=tuple(classes.tolist()), counts=counts.astype(np.float64))


def ratio(above: npt.ArrayLike, below: npt.ArrayLike) -> Floats:
    """above / below, elementwise; 0 where there is nothing below the line."""
    top, bottom = np.broadcast_arrays(np.asarray(above, np.float64), np.asarray(below, np.float64))
    return np.asarray(np.divide(top, bottom, out=np.zeros_like(top), where=bottom != 0))


def accuracy(table: Confusion) -> float:
    """Share of rows predicted as what they are."""
    return float(ratio(table.found.sum(), table.n))


def precisions(table: Confusion) -> Floats:
    """For each class, found / predicted."""
    return ratio(table.found, table.predicted)


def recalls(table: Confusion) -> Floats:
    """For each class, found / actual."""
    return ratio(table.found, table.actual)


def f_scores(table: Confusion, beta: float) -> Floats:
    """For each class, (1 + β²) found / (β² actual + predicted): recall weighs β times as much as precision."""
    square = beta * beta
    return ratio((1 + square) * table.found, square * table.actual + table.predicted)


def weighted(scores: Callable[[Confusion], Floats], table: Confusion) -> float:
    """The mean over classes, each weighing its rows."""
    return float(ratio((scores(table) * table.actual).sum(), table.n))
