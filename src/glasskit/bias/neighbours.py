"""The flip test's neighbours: would this row's like among the others have been decided otherwise?"""

from __future__ import annotations

import numpy as np

from glasskit.bias import counts, faults
from glasskit.bias.arithmetic import Floats
from glasskit.bias.counts import Flags

_NEIGHBOURS = 5
_FEW_ROWS = 9
"""Up to so many favoured rows, the one nearest decides; above, the majority of five. smclarify's rule."""


def flips(features: Floats, member: Flags, predicted: Flags, *, rows: int | None, seed: int) -> counts.Flips:
    """Rows of d decided otherwise than the majority of their nearest rows of a (Euclidean, as the features come).

    features: (n, n_features) numbers; member: (n,) rows of d; predicted: (n,) the favourable prediction. rows: at
    most so many of each facet, drawn with the seed; None is all. Raises Undefined.
    """
    from sklearn import neighbors

    if not features.shape[1]:
        raise faults.Undefined("numeric features are needed to find neighbours")
    stream = np.random.Generator(np.random.PCG64(seed))
    a, d = (_drawn(np.flatnonzero(side), rows, stream) for side in (~member, member))
    if not len(a) or not len(d):
        raise faults.Undefined("a facet has no rows")
    k = _NEIGHBOURS if len(a) > _FEW_ROWS else 1
    judge = neighbors.KNeighborsClassifier(n_neighbors=k, weights="uniform", p=2)
    judge.fit(features[a], predicted[a])
    would = np.asarray(judge.predict(features[d]), np.bool_)
    does = predicted[d]
    return counts.Flips(
        to_accepted=np.array((would & ~does).sum(), np.float64),
        to_rejected=np.array((~would & does).sum(), np.float64),
        n=np.array(len(d), np.float64),
    )


def _drawn(rows: np.ndarray, most: int | None, stream: np.random.Generator) -> np.ndarray:
    if most is None or len(rows) <= most:
        return rows
    return np.sort(stream.choice(rows, most, replace=False))
