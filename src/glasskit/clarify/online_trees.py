"""Exact explanations of a tree ensemble's predictions, without asking the model.

Where the explained space is that of the margin (a regression; log-odds of a logistic model) this is interventional
tree SHAP against the baseline. Elsewhere (probabilities) no such algorithm exists: with few features in which a
record differs from the baseline the Shapley values are computed from their definition, by the ensemble's own
evaluator; with many, Kernel SHAP asks that evaluator.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np
import numpy.typing as npt

from glasskit import trees
from glasskit.clarify import online_sampling as sampling

Floats = npt.NDArray[np.float64]
Method = Literal["exact-tree-shap", "exact-shapley", "kernel-shap"]

AGREES = 1e-5
"""Relative difference up to which a model's own float32 sums agree with ours."""
PROBES = 64
PROBE_SEED = 20_170_724
_ENUMERATED_ROWS = 1 << 14


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Explained:
    """values: (n, F, K) in the explained space; bases: (K,)."""

    values: Floats
    bases: Floats
    method: Method


class Explainer:
    """An ensemble against a baseline. outputs: which of its outputs the model answers, None for all.

    float32: the model's code rounds features to float32 before it predicts.
    """

    def __init__(
        self,
        ensemble: trees.Ensemble,
        background: Floats,
        *,
        use_logit: bool,
        budget: sampling.Budget,
        float32: bool = False,
    ) -> None:
        self._use_logit = use_logit
        self._budget = budget
        self._float32 = float32
        self._background = self._rounded(background)
        self._outputs: list[int] | None = None
        self._used = _used(ensemble)
        link = ensemble.link
        self._scale = link.scale if link.name == "logistic" else 1.0
        self._has_margin = link.name == ("logistic" if use_logit else "identity")
        self._trees = trees.Explainer(ensemble, self._background if self._has_margin else None)

    @property
    def ensemble(self) -> trees.Ensemble:
        return self._trees.ensemble

    def adopt(self, rows: Floats, scores: Floats) -> bool:
        """Whether the ensemble predicts the model's scores of these rows; finds out which outputs it answers."""
        predicted = self._all(rows)
        if scores.shape[1] == predicted.shape[1]:
            self._outputs = None
            return agree(predicted, scores)
        if scores.shape[1] != 1:
            return False
        for output in range(predicted.shape[1]):
            if agree(predicted[:, [output]], scores):
                self._outputs = [output]
                return True
        return False

    def agrees(self, rows: Floats, scores: Floats) -> bool:
        """Whether the ensemble predicts these scores, with the outputs found before."""
        return agree(self._predicted(rows), scores)

    def explain(self, rows: Floats) -> Explained:
        """The attributions of every row."""
        matrix = self._rounded(rows)
        if self._has_margin:
            found = self._trees.shap_values(matrix)
            values = found.values if found.values.ndim == 3 else found.values[..., np.newaxis]
            bases = np.atleast_1d(np.asarray(self._trees.expected_value))
            return Explained(
                values=self._chosen(values) * self._scale,
                bases=self._chosen(bases) * self._scale,
                method="exact-tree-shap",
            )
        return self._asked(matrix)

    def _asked(self, matrix: Floats) -> Explained:
        records = [
            sampling.Tabular(row=row, background=self._background, players=self._players(row))
            for row in matrix
        ]
        bases = self._in_space(self._background).mean(axis=0)
        ends = np.stack([np.tile(bases, (len(matrix), 1)), self._in_space(matrix)], axis=1)
        most = max(record.n_players for record in records)
        budget = self._budget
        if 2**most * len(self._background) <= _ENUMERATED_ROWS:
            budget = dataclasses.replace(budget, n_samples=max(2**most, 2 * most))
        solved = sampling.solve(
            records,
            ends,
            lambda some: self._in_space(np.asarray(some, dtype=np.float64)),
            n_background=len(self._background),
            budget=budget,
        )
        values = np.zeros((len(matrix), matrix.shape[1], len(bases)))
        for at, (record, found) in enumerate(zip(records, solved.values, strict=True)):
            values[at, record.players] = found
        return Explained(values=values, bases=bases, method=solved.method)

    def _players(self, row: Floats) -> npt.NDArray[np.int64]:
        return np.flatnonzero(self._used & differs(row, self._background))

    def _in_space(self, rows: Floats) -> Floats:
        predicted = self._predicted(rows)
        return log_odds(predicted) if self._use_logit else predicted

    def _predicted(self, rows: Floats) -> Floats:
        return self._chosen(self._all(rows))

    def _all(self, rows: Floats) -> Floats:
        predicted = self._trees.predict(self._rounded(rows))
        return predicted[:, np.newaxis] if predicted.ndim == 1 else predicted

    def _chosen(self, by_output: Floats) -> Floats:
        return by_output if self._outputs is None else by_output[..., self._outputs]

    def _rounded(self, rows: Floats) -> Floats:
        return rounded(rows, float32=self._float32)


def probes(ensemble: trees.Ensemble, rows: Floats, random: np.random.Generator) -> Floats:
    """The rows, and others that take many ways through the trees, with values from about the trees' thresholds."""
    found = rows[random.integers(len(rows), size=PROBES)].copy()
    for feature, thresholds in _thresholds(ensemble).items():
        chosen = random.choice(thresholds, size=PROBES)
        steps = random.choice([-1.0, 0.0, 1.0], size=PROBES) * np.maximum(np.abs(chosen), 1.0) * 1e-3
        keep = random.random(PROBES) < 0.25
        found[:, feature] = np.where(keep, found[:, feature], chosen + steps)
    return np.concatenate([rows, found])


def agree(predicted: Floats, scores: Floats) -> bool:
    """Whether predictions are a model's scores but for the last digits of its float32 sums."""
    return predicted.shape == scores.shape and bool(
        np.allclose(predicted, scores, rtol=AGREES, atol=AGREES * 1e-1)
    )


def rounded(rows: Floats, *, float32: bool) -> Floats:
    """The rows as the model's code sees them."""
    return rows.astype(np.float32).astype(np.float64) if float32 else rows


def log_odds(predicted: Floats) -> Floats:
    """The log-odds of probabilities. Raises ValueError for what is none."""
    if ((predicted <= 0) | (predicted >= 1)).any():
        raise ValueError(
            "UseLogit explains log-odds, and the model predicts values that are no probability between 0 and 1"
        )
    return np.asarray(np.log(predicted) - np.log1p(-predicted))


def differs(row: npt.NDArray[np.generic], background: npt.NDArray[np.generic]) -> npt.NDArray[np.bool_]:
    """In which features a row is not the same as every row of the background; two NaN are the same."""
    both_nan = (row != row) & (background != background)
    return np.asarray(((background != row) & ~both_nan).any(axis=0), dtype=np.bool_)


def _used(ensemble: trees.Ensemble) -> npt.NDArray[np.bool_]:
    used = np.zeros(ensemble.n_features, dtype=np.bool_)
    for tree in ensemble.trees:
        used[tree.feature[~tree.is_leaf]] = True
    return used


def _thresholds(ensemble: trees.Ensemble) -> dict[int, Floats]:
    """By feature, the values it is compared with: thresholds, and the categories of sets."""
    found: dict[int, set[float]] = {}
    for tree in ensemble.trees:
        for node in np.flatnonzero(~tree.is_leaf).tolist():
            values = found.setdefault(int(tree.feature[node]), set())
            categories = tree.categories.get(node)
            values |= {float(one) for one in categories} if categories else {float(tree.threshold[node])}
    finite = {
        feature: [value for value in sorted(values) if np.isfinite(value)]
        for feature, values in found.items()
    }
    return {feature: np.array(values) for feature, values in finite.items() if values}
