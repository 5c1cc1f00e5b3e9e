"""Curves of a score against labels of two classes: one point for each threshold that makes a difference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Roc:
    """Points of the receiver operating characteristic, from (0, 0) to (1, 1); thresholds descend from +∞."""

    false_positive_rates: Floats
    true_positive_rates: Floats
    thresholds: Floats

    def to_json(self, *, points: int = 1000) -> dict[str, list[float]]:
        """At most so many points, evenly chosen, the ends among them."""
        kept = _kept(len(self.thresholds), points)
        return {
            "false_positive_rates": self.false_positive_rates[kept].tolist(),
            "true_positive_rates": self.true_positive_rates[kept].tolist(),
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PrecisionRecall:
    """Points by ascending recall. The first stands at recall 0, with the precision of the highest scores."""

    precisions: Floats
    recalls: Floats
    thresholds: Floats

    def to_json(self, *, points: int = 1000) -> dict[str, list[float]]:
        """At most so many points, evenly chosen, the ends among them."""
        kept = _kept(len(self.recalls), points)
        return {"precisions": self.precisions[kept].tolist(), "recalls": self.recalls[kept].tolist()}


def _kept(n: int, most: int) -> npt.NDArray[np.intp]:
    return np.unique(np.linspace(0, n - 1, min(n, max(2, most))).round().astype(np.intp))


def _steps(label: npt.ArrayLike, score: npt.ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Thresholds (score >= threshold), and the rows of class 1 and of others at or above each."""
    positive, scores = np.asarray(label) == 1, np.asarray(score, np.float64)
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], positive[order]
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    true = np.cumsum(hits)[last].astype(np.float64)
    return ranked[last], true, (last + 1 - true).astype(np.float64)


def roc(label: npt.ArrayLike, score: npt.ArrayLike) -> Roc:
    """The receiver operating characteristic of scores (n,) for labels (n,), 1 being the positive class.

    A rate over no rows is 0.
    """
    thresholds, true, false = _steps(label, score)
    return Roc(
        false_positive_rates=np.append(0.0, false / max(1.0, false[-1])),
        true_positive_rates=np.append(0.0, true / max(1.0, true[-1])),
        thresholds=np.append(np.inf, thresholds),
    )


def precision_recall(label: npt.ArrayLike, score: npt.ArrayLike) -> PrecisionRecall:
    """Precision against recall for scores (n,) and labels (n,), 1 being the positive class."""
    thresholds, true, false = _steps(label, score)
    precisions, recalls = true / (true + false), true / max(1.0, true[-1])
    return PrecisionRecall(
        precisions=np.append(precisions[:1], precisions),
        recalls=np.append(0.0, recalls),
        thresholds=np.append(np.inf, thresholds),
    )


def average_precision(label: npt.ArrayLike, score: npt.ArrayLike) -> float:
    """Area under precision against recall: Σ (recall gained) · precision, without interpolation."""
    curve = precision_recall(label, score)
    return float((np.diff(curve.recalls) * curve.precisions[1:]).sum())
