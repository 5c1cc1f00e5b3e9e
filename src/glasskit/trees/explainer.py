"""The one public face of the evaluator: predictions, SHAP values and interactions of an ensemble."""

from __future__ import annotations

import functools
from typing import Literal

import numpy as np
import numpy.typing as npt

from glasskit.explain import explanations
from glasskit.trees import (
    against,
    blocks,
    compiled,
    ensembles,
    errors,
    evaluate,
    kernel,
    links,
    paths,
    reference,
    rows,
)

Matrix = npt.NDArray[np.float64]
Backend = Literal["auto", "reference"]
Space = Literal["margin", "prediction", "probability"]
Engine = compiled.Compiled | compiled.Tables | reference.Reference | against.Against

TABLE_BYTES = 48 << 20
"""The memory that tables may take unless told otherwise."""


def backend() -> str:
    """What explains trees here: "C" with its instruction set, or "NumPy" where no kernel was built."""
    engine = kernel.load()
    return f"C ({kernel.LEVELS[engine.level]})" if engine else reference.Reference.name


class Explainer:
    """Predicts with a tree ensemble and explains every prediction exactly.

    Every explanation is checked: base value plus contributions equal the margin (or the prediction) to
    1e-9, or AdditivityViolated is raised.

    background: rows to explain against (interventional SHAP, all of them, never a sample). Without one,
        values are path-dependent: features left out follow the training weight of the tree's branches.
    space: "margin" (log-odds for a logistic link), or "prediction", for which a background is needed and
        against.py has the definition. "probability" is the prediction of a model whose predictions are such.
    tables: look explanations up instead of computing them, where the tables fit into table_bytes. It takes
        up to some seconds to make them and pays for single rows (an endpoint); it is the default with a
        background. The last bits may differ from what is computed.
    backend: "auto" takes the compiled kernel where there is one, "reference" always NumPy.
    n_threads: how many threads many rows are spread over; all cores if None. It never changes a result.
    """

    def __init__(
        self,
        ensemble: ensembles.Ensemble,
        background: rows.Rows | None = None,
        *,
        space: Space = "margin",
        tables: bool | None = None,
        table_bytes: int = TABLE_BYTES,
        backend: Backend = "auto",
        n_threads: int | None = None,
    ) -> None:
        self.ensemble = ensemble
        self.n_threads = n_threads
        self._reading = _reading(ensemble)
        self._forest = evaluate.flatten(ensemble)
        self._background = None if background is None else self._matrix(background)
        if self._background is not None and not len(self._background):
            raise errors.BadInput("The background has no rows.")
        self._link = _link_into(space, ensemble, has_background=background is not None)
        self._in_numpy = backend == "reference"
        if self._link is not None and tables:
            raise ValueError("tables hold explanations of margins; leave tables out with this space")
        wanted = self._background is not None if tables is None else tables
        self._engine = self._chosen(table_bytes if wanted else 0, backend)

    def _chosen(self, table_bytes: int, backend: Backend) -> Engine:
        if self._link is not None:
            return self._against
        model = compiled.compiled(self._forest) if backend == "auto" else None
        is_wanted = table_bytes > 0 or self._background is not None
        looked_up = model.tables(self._background, table_bytes) if model and is_wanted else None
        if looked_up:
            return looked_up
        if model and self._background is None:
            return model
        return reference.Reference(self._forest, self._background)

    @functools.cached_property
    def _against(self) -> against.Against:
        if self._background is None:
            raise errors.BadInput("There is no background.")
        return against.Against(self._forest, self._background, self._link, in_numpy=self._in_numpy)

    @property
    def backend(self) -> str:
        """What explains this ensemble."""
        return self._engine.name

    @property
    def size_bytes(self) -> int:
        """Memory the compiled ensemble takes."""
        return self._engine.size_bytes

    @property
    def feature_names(self) -> tuple[str, ...]:
        return self.ensemble.feature_names

    @functools.cached_property
    def expected_value(self) -> float | Matrix:
        """The base value: the mean over the training weight, or the background; one per output if there are several."""
        bases = self._bases
        return float(bases[0]) if self._is_single else bases

    def numbers(self, X: rows.Rows) -> Matrix:
        """The rows as the model reads them: float64 (n, F), a category as its code. Raises BadInput."""
        return self._matrix(X)

    def predict_margin(self, X: rows.Rows) -> Matrix:
        """Margins of shape (n,), or (n, K) for K outputs."""
        matrix = self._matrix(X)
        margins = np.empty((len(matrix), self.ensemble.n_outputs))
        blocks.run(self._engine.margins, matrix, margins, n_threads=self.n_threads)
        return self._shaped(margins)

    def predict(self, X: rows.Rows) -> Matrix:
        """What the model predicts: probabilities for classifiers, values after the link otherwise."""
        return self.ensemble.link.apply(self.predict_margin(X))

    def shap_values(
        self, X: rows.Rows, *, progress: blocks.Progress | None = None
    ) -> explanations.Explanation:
        """The SHAP values of every row, checked for additivity."""
        matrix, bases = self._matrix(X), self._bases
        n_rows, n_outputs = len(matrix), self.ensemble.n_outputs
        values = np.empty((n_rows, self.ensemble.n_features, n_outputs))
        margins = np.empty((n_rows, n_outputs))
        blocks.run(self._engine.shap, matrix, values, margins, n_threads=self.n_threads, progress=progress)
        return explanations.Explanation(
            values=self._shaped(values),
            base_values=self._shaped(_repeated(bases, n_rows)),
            data=rows.shown(X, matrix, self.feature_names, reading=self._reading),
            feature_names=self.feature_names,
            link="identity" if self._link else self.ensemble.link.name,
            link_scale=1.0 if self._link else self.ensemble.link.scale,
        )

    def interaction_values(
        self, X: rows.Rows, *, progress: blocks.Progress | None = None
    ) -> explanations.Interactions:
        """The SHAP interaction values of every row: (n, F, F), symmetric, rows sum to the SHAP values."""
        engine = self._engine if self._background is None else self._against
        matrix, bases = self._matrix(X), self._bases
        n_rows, n_features, n_outputs = len(matrix), self.ensemble.n_features, self.ensemble.n_outputs
        values = np.empty((n_rows, n_features, n_features, n_outputs))
        margins = np.empty((n_rows, n_outputs))
        blocks.run(engine.interactions, matrix, values, margins, n_threads=self.n_threads, progress=progress)
        return explanations.Interactions(
            values=self._shaped(values),
            base_values=self._shaped(_repeated(bases, n_rows)),
            data=rows.shown(X, matrix, self.feature_names, reading=self._reading),
            feature_names=self.feature_names,
        )

    @functools.cached_property
    def _bases(self) -> Matrix:
        if self._background is None:
            paths.require_covers(self.ensemble)
        return self._engine.expected()

    @property
    def _is_single(self) -> bool:
        return self.ensemble.n_outputs == 1

    def _matrix(self, given: rows.Rows) -> Matrix:
        return rows.matrix(given, self.feature_names, reading=self._reading)

    def _shaped(self, by_output: Matrix) -> Matrix:
        return by_output[..., 0] if self._is_single else by_output


def _reading(ensemble: ensembles.Ensemble) -> rows.Reading:
    return rows.Reading(
        text_hashes=ensemble.text_hashes,
        levels=ensemble.levels,
        takes_codes=ensemble.source in ("lightgbm", "xgboost"),
        refuses_unseen=ensemble.source == "xgboost",
    )


def _link_into(space: Space, ensemble: ensembles.Ensemble, *, has_background: bool) -> links.Link | None:
    """The link into whose space values are wanted; None for margins."""
    link = ensemble.link
    if space == "margin":
        return None
    if space not in ("prediction", "probability"):
        raise ValueError(f"{space!r} is no space; there are margin, prediction and probability")
    if space == "probability" and not ensemble.predicts_probabilities:
        raise errors.ModelUnsupported(
            f"A model with the link {link.name!r} in the space of a probability",
            "It predicts no probabilities of one outcome each: take space='margin' or space='prediction'.",
        )
    if not link.has_slopes:
        raise errors.ModelUnsupported(
            f"A model with the link {link.name!r} in the space of its predictions",
            "Explain its margins, or explain its predict function with at most 12 groups of features: "
            "glasskit.Explainer(trees.Explainer(ensemble).predict, background, feature_groups).",
        )
    if not has_background:
        raise errors.BadInput(
            "Explanations of predictions need a background: give rows, such as a sample of the training data, "
            "to explain against. Path-dependent values are defined for margins only."
        )
    return link


def _repeated(bases: Matrix, n_rows: int) -> Matrix:
    repeated = np.empty((n_rows, len(bases)))
    repeated[:] = bases
    return repeated
