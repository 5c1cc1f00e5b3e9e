"""The one public face of the evaluator: predictions, SHAP values and interactions of an ensemble."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from glasskit.explain import explanations
from glasskit.trees import ensembles, errors, evaluate, paths, rows, shapley

Matrix = npt.NDArray[np.float64]

_TOLERANCE = 1e-9


class Explainer:
    """Predicts with a tree ensemble and explains every prediction exactly.

    Values are in the space of the margin (log-odds for a logistic link). Every explanation is
    checked: base value plus contributions equal the margin to 1e-9, or AdditivityViolated is raised.
    """

    def __init__(self, ensemble: ensembles.Ensemble) -> None:
        self.ensemble = ensemble
        self._forest = evaluate.flatten(ensemble)

    @property
    def feature_names(self) -> tuple[str, ...]:
        return self.ensemble.feature_names

    @functools.cached_property
    def expected_value(self) -> float | Matrix:
        """The base value: the mean margin over the training weight; one per output if there are several."""
        bases = self._bases
        return float(bases[0]) if self._is_single else bases

    def predict_margin(self, X: rows.Rows) -> Matrix:
        """Margins of shape (n,), or (n, K) for K outputs."""
        return self._shaped(evaluate.margins(self._forest, self._matrix(X)))

    def predict(self, X: rows.Rows) -> Matrix:
        """What the model predicts: probabilities for classifiers, values after the link otherwise."""
        return self.ensemble.link.apply(self.predict_margin(X))

    def shap_values(self, X: rows.Rows) -> explanations.Explanation:
        """The SHAP values of every row, checked for additivity."""
        matrix = self._matrix(X)
        values = self._shap(matrix)
        self._check(values.sum(axis=1), np.abs(values).sum(axis=1), matrix)
        return explanations.Explanation(
            values=self._shaped(values),
            base_values=self._shaped(np.tile(self._bases, (len(matrix), 1))),
            data=matrix,
            feature_names=self.feature_names,
            link=self.ensemble.link.name,
            link_scale=self.ensemble.link.scale,
        )

    def interaction_values(self, X: rows.Rows) -> explanations.Interactions:
        """The SHAP interaction values of every row: (n, F, F), symmetric, rows sum to the SHAP values."""
        matrix = self._matrix(X)
        n_features, n_outputs = self.ensemble.n_features, self.ensemble.n_outputs
        values = np.empty((len(matrix), n_features, n_features, n_outputs))
        cells = max(len(self._forest.feature), n_features * n_features * n_outputs)
        for part in evaluate.chunks(len(matrix), cells):
            left = evaluate.goes_left(self._forest, matrix[part])
            values[part] = shapley.interactions(
                self._leaves, left, n_features=n_features, n_outputs=n_outputs
            )
        values /= self.ensemble.divisor
        self._check(values.sum(axis=(1, 2)), np.abs(values).sum(axis=(1, 2)), matrix)
        return explanations.Interactions(
            values=self._shaped(values),
            base_values=self._shaped(np.tile(self._bases, (len(matrix), 1))),
            data=matrix,
            feature_names=self.feature_names,
        )

    @functools.cached_property
    def _leaves(self) -> tuple[paths.Leaves, ...]:
        return paths.leaves_by_length(self.ensemble)

    @functools.cached_property
    def _bases(self) -> Matrix:
        means = shapley.expected_values(self._leaves, self.ensemble.n_outputs)
        return np.asarray(means / self.ensemble.divisor + np.array(self.ensemble.base_scores))

    @property
    def _is_single(self) -> bool:
        return self.ensemble.n_outputs == 1

    def _matrix(self, given: rows.Rows) -> Matrix:
        return rows.matrix(given, self.feature_names)

    def _shaped(self, by_output: Matrix) -> Matrix:
        return by_output[..., 0] if self._is_single else by_output

    def _shap(self, matrix: Matrix) -> Matrix:
        n_features, n_outputs = self.ensemble.n_features, self.ensemble.n_outputs
        values = np.empty((len(matrix), n_features, n_outputs))
        for part in evaluate.chunks(len(matrix), len(self._forest.feature)):
            left = evaluate.goes_left(self._forest, matrix[part])
            values[part] = shapley.values(self._leaves, left, n_features=n_features, n_outputs=n_outputs)
        return values / self.ensemble.divisor

    def _check(self, sums: Matrix, magnitudes: Matrix, matrix: Matrix) -> None:
        margins = evaluate.margins(self._forest, matrix)
        explained = sums + self._bases
        scale = 1.0 + np.abs(margins) + magnitudes
        wrong = ~(np.abs(explained - margins) <= _TOLERANCE * scale)
        if wrong.any():
            row, output = (int(index) for index in np.argwhere(wrong)[0])
            raise errors.AdditivityViolated(
                row=row, margin=float(margins[row, output]), explained=float(explained[row, output])
            )
