"""The baseline when none is given: the middles of clusters of the dataset."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from glasskit.clarify import coding

Floats = npt.NDArray[np.float64]

MOST_CLUSTERS = 12
_MOST_ROWS = 5_000
"""Clusters of more rows than these are found among so many of them."""

_STARTS = 3


def clustered(matrix: Floats, columns: coding.Coding, *, n_clusters: int | None, seed: int) -> Floats:
    """(clusters, F) coded rows: means of numbers, the most frequent categories.

    Clusters are k-means' in standardised columns, categories as 0/1 columns weighted as k-prototypes weighs them
    (Huang 1998): half the mean deviation of the numbers for each mismatch. Without a number of clusters the one of 1
    to 12 with the best Bayesian information criterion is taken.
    """
    random = np.random.default_rng(seed)
    if len(matrix) > _MOST_ROWS:
        matrix = matrix[np.sort(random.choice(len(matrix), _MOST_ROWS, replace=False))]
    points = _points(matrix, columns)
    n_different = len(np.unique(points, axis=0))
    tried = [n_clusters] if n_clusters else list(range(1, MOST_CLUSTERS + 1))
    best: npt.NDArray[np.int64] | None = None
    least = np.inf
    for k in [min(one, n_different) for one in tried if one <= n_different or one == tried[0]]:
        labels, inertia = _fitted(points, k, seed)
        score = _information(inertia, points.shape, k)
        if best is None or score < least:
            best, least = labels, score
    if best is None:
        raise AssertionError("at least one number of clusters is tried")
    return np.array([_middle(matrix[best == at], columns) for at in range(int(best.max()) + 1)])


def _points(matrix: Floats, columns: coding.Coding) -> Floats:
    parts = []
    for at, column in enumerate(columns.columns):
        values = matrix[:, at]
        if column.kind == "category":
            codes = np.arange(len(column.categories))
            parts.append((values[:, np.newaxis] == codes).astype(np.float64) * 0.5)
            continue
        known = np.isfinite(values)
        filled = np.where(known, values, values[known].mean() if known.any() else 0.0)
        spread = filled.std()
        parts.append(((filled - filled.mean()) / spread if spread > 0 else filled * 0.0)[:, np.newaxis])
    return np.concatenate(parts, axis=1)


def _fitted(points: Floats, k: int, seed: int) -> tuple[npt.NDArray[np.int64], float]:
    import threadpoolctl  # type: ignore[import-untyped]  # it publishes no types
    from sklearn import cluster

    with threadpoolctl.threadpool_limits(1):  # threads wait for one another longer than they work here
        found = cluster.KMeans(n_clusters=k, n_init=_STARTS, random_state=seed).fit(points)
    return np.asarray(found.labels_, dtype=np.int64), float(found.inertia_)


def _information(inertia: float, shape: tuple[int, ...], k: int) -> float:
    """The criterion of k spherical normal distributions of one variance; the lower the better."""
    n, width = shape
    variance = max(inertia / (n * width), 1e-12)
    return float(n * width * np.log(variance) + k * (width + 1) * np.log(n))


def _middle(rows: Floats, columns: coding.Coding) -> Floats:
    middle = np.full(rows.shape[1], np.nan)
    for at, column in enumerate(columns.columns):
        known = rows[np.isfinite(rows[:, at]), at]
        if len(known):
            middle[at] = (
                np.bincount(known.astype(int)).argmax() if column.kind == "category" else known.mean()
            )
    return middle
