"""The readable back end: exact explanations in NumPy alone, and the oracle of the compiled kernel."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from glasskit.trees import errors, evaluate, interventional, paths, shapley

Matrix = npt.NDArray[np.float64]

_TOLERANCE = 1e-9


class Reference:
    """Explains an ensemble leaf by leaf: path-dependent (shapley.py), or against a background (interventional.py)."""

    name = "NumPy"

    def __init__(self, forest: evaluate.Forest, background: Matrix | None = None) -> None:
        self._forest = forest
        self._background = background
        self._background_left = (
            None if background is None else evaluate.goes_left_in_parts(forest, background)
        )

    @property
    def size_bytes(self) -> int:
        """Memory beyond the ensemble's own."""
        return 0

    @functools.cached_property
    def _leaves(self) -> tuple[paths.Leaves, ...]:
        return paths.leaves_by_length(self._forest.ensemble)

    def expected(self) -> Matrix:
        """The base value of every output."""
        ensemble = self._forest.ensemble
        if self._background is not None:
            return np.asarray(evaluate.margins(self._forest, self._background).mean(axis=0))
        means = shapley.expected_values(self._leaves, ensemble.n_outputs)
        return np.asarray(means / ensemble.divisor + np.array(ensemble.base_scores))

    def margins(self, matrix: Matrix, margins: Matrix) -> None:
        """Fills in the margins (n, K)."""
        margins[:] = evaluate.margins(self._forest, matrix)

    def shap(self, matrix: Matrix, values: Matrix, margins: Matrix) -> None:
        """Fills in SHAP values (n, F, K) and margins (n, K). Raises AdditivityViolated."""
        ensemble = self._forest.ensemble
        for part in evaluate.chunks(len(matrix), len(self._forest.feature)):
            left = evaluate.goes_left(self._forest, matrix[part])
            values[part] = self._values(left)
        values /= ensemble.divisor
        self.margins(matrix, margins)
        check(values.sum(axis=1), np.abs(values).sum(axis=1), margins, self.expected())

    def _values(self, left: evaluate.Bools) -> Matrix:
        ensemble = self._forest.ensemble
        n_features, n_outputs = ensemble.n_features, ensemble.n_outputs
        if self._background_left is None:
            return shapley.values(self._leaves, left, n_features=n_features, n_outputs=n_outputs)
        return interventional.values(
            self._leaves, left, self._background_left, n_features=n_features, n_outputs=n_outputs
        )

    def interactions(self, matrix: Matrix, values: Matrix, margins: Matrix) -> None:
        """Fills in interaction values (n, F, F, K) and margins (n, K). Raises AdditivityViolated."""
        ensemble = self._forest.ensemble
        n_features, n_outputs = ensemble.n_features, ensemble.n_outputs
        cells = max(len(self._forest.feature), n_features * n_features * n_outputs)
        for part in evaluate.chunks(len(matrix), cells):
            left = evaluate.goes_left(self._forest, matrix[part])
            values[part] = shapley.interactions(
                self._leaves, left, n_features=n_features, n_outputs=n_outputs
            )
        values /= ensemble.divisor
        self.margins(matrix, margins)
        check(values.sum(axis=(1, 2)), np.abs(values).sum(axis=(1, 2)), margins, self.expected())


def check(sums: Matrix, magnitudes: Matrix, margins: Matrix, expected: Matrix) -> None:
    """Raises AdditivityViolated where sums of contributions and base value are not the margins; all (n, K)."""
    explained = sums + expected
    scale = 1.0 + np.abs(margins) + magnitudes
    wrong = ~(np.abs(explained - margins) <= _TOLERANCE * scale)
    if wrong.any():
        row, output = (int(index) for index in np.argwhere(wrong)[0])
        raise errors.AdditivityViolated(
            row=row, margin=float(margins[row, output]), explained=float(explained[row, output])
        )
