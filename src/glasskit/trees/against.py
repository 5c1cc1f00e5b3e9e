"""What explains an ensemble against a background pair by pair: predictions instead of margins, and interactions.

In the space of the prediction a background row b explains its own difference: the margin's SHAP values
against b alone, phi_i(x, b), are multiplied by

    (link(f(x)) - link(f(b))) / (f(x) - f(b))

so that they add up to link(f(x)) - link(f(b)), and the mean is taken over the background. That is the
definition of the shap package (`TreeExplainer(..., model_output="probability")`), and not the Shapley
value of the transformed model, which is no sum over trees. Where both margins are equal shap multiplies
by 1; the limit, link'(f(x)), is taken here, so that almost equal margins get almost equal values.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from glasskit.trees import evaluate, kernel, links, pairs, paths, reference

Matrix = npt.NDArray[np.float64]

_BYTES_OF_WAYS = 32 << 20
"""Which way background rows go at every node takes a byte each; larger backgrounds are gone through in parts."""

MOST_LEVELS = 500
"""Deeper trees are walked by NumPy: the kernel recurses."""


class Against:
    """Explains an ensemble against every background row for itself. Safe to use from several threads."""

    def __init__(
        self, forest: evaluate.Forest, background: Matrix, link: links.Link | None, *, in_numpy: bool = False
    ) -> None:
        """link: into whose space to explain; None explains margins."""
        engine = None if in_numpy or forest.depth > MOST_LEVELS else kernel.load()
        self._forest = forest
        self._link = link
        self._library = engine.library if engine else None
        self._background = background
        self._background_margins = evaluate.margins(forest, background)
        self.name = "C (pairs)" if engine else "NumPy (pairs)"

    @property
    def size_bytes(self) -> int:
        """Memory beyond the ensemble's own."""
        ways = min(len(self._background) * len(self._forest.feature), _BYTES_OF_WAYS)
        return ways + self._background_margins.nbytes

    def expected(self) -> Matrix:
        """The mean over the background of what is explained; one per output."""
        return np.asarray(self._explained(self._background_margins).mean(axis=0))

    def margins(self, matrix: Matrix, margins: Matrix) -> None:
        """Fills in the margins (n, K)."""
        margins[:] = evaluate.margins(self._forest, matrix)

    def shap(self, matrix: Matrix, values: Matrix, margins: Matrix) -> None:
        """Fills in values (n, F, K) and what they add up to (n, K). Raises AdditivityViolated."""
        self._fill(matrix, values, margins, in_pairs=False)
        reference.check(values.sum(axis=1), np.abs(values).sum(axis=1), margins, self.expected())

    def interactions(self, matrix: Matrix, values: Matrix, margins: Matrix) -> None:
        """Fills in interactions (n, F, F, K) and what they add up to (n, K). Raises AdditivityViolated."""
        self._fill(matrix, values, margins, in_pairs=True)
        magnitudes = np.abs(values).sum(axis=(1, 2))
        reference.check(values.sum(axis=(1, 2)), magnitudes, margins, self.expected())

    def _explained(self, margins: Matrix) -> Matrix:
        return margins if self._link is None else self._link.apply(margins)

    def _fill(self, matrix: Matrix, values: Matrix, margins: Matrix, *, in_pairs: bool) -> None:
        ensemble, n_nodes = self._forest.ensemble, max(1, len(self._forest.feature))
        n_others = len(self._background)
        step = max(1, min(n_others, _BYTES_OF_WAYS // n_nodes))
        cells = max(n_nodes, step * ensemble.n_outputs)
        if in_pairs:
            cells = max(cells, ensemble.n_features**2 * ensemble.n_outputs)
        values[:] = 0.0
        for part in evaluate.chunks(len(matrix), cells):
            own = evaluate.margins(self._forest, matrix[part])
            left = evaluate.goes_left(self._forest, matrix[part])
            margins[part] = self._explained(own)
            for start in range(0, n_others, step):
                others = slice(start, start + step)
                question = pairs.Question(
                    left=left,
                    background=self._ways(others),
                    factors=self._factors(own, others) / (n_others * ensemble.divisor),
                    n_features=ensemble.n_features,
                )
                values[part] += self._answer(question, in_pairs=in_pairs)

    def _ways(self, others: slice) -> evaluate.Bools:
        if others.stop - others.start >= len(self._background):
            return self._all_ways
        return evaluate.goes_left_in_parts(self._forest, self._background[others])

    @functools.cached_property
    def _all_ways(self) -> evaluate.Bools:
        return evaluate.goes_left_in_parts(self._forest, self._background)

    def _factors(self, own: Matrix, others: slice) -> Matrix:
        """What each row's values against each background row are multiplied by; (n, m, K)."""
        margins = self._background_margins[others]
        if self._link is None:
            return np.ones((len(own), *margins.shape))
        return self._link.slopes(own[:, np.newaxis, :], margins[np.newaxis])

    def _answer(self, question: pairs.Question, *, in_pairs: bool) -> Matrix:
        if self._library is not None:
            return pairs.by_kernel(self._library, self._flat, question, in_pairs=in_pairs)
        if in_pairs:
            return pairs.interactions(self._leaves, question)
        return pairs.values(self._leaves, question)

    @functools.cached_property
    def _leaves(self) -> tuple[paths.Leaves, ...]:
        return paths.leaves_by_length(self._forest.ensemble)

    @functools.cached_property
    def _flat(self) -> pairs.Flat:
        return pairs.flat(self._forest)
