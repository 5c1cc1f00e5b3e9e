"""SHAP values of every row: exact where the model's trees can be read, sampled by asking it otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from glasskit import trees
from glasskit.clarify import asking, config, faults, models
from glasskit.explain import games, sampling

Floats = npt.NDArray[np.float64]
Method = Literal["tree_shap", "exact", "kernel_shap"]
Progress = Callable[[int, int], None]
"""(rows explained, rows in all)."""

_PARTS = 20
_NOT_NEEDED = " num_samples is for models that are asked, and was not needed."


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Attributions:
    """values: (n, F, K); expected: (K,); errors: the largest standard error of any value, 0 where they are exact.

    account: a sentence on how they were found. asked_model: whether the model itself was asked for them.
    """

    values: Floats
    expected: Floats
    method: Method
    account: str
    largest_error: float
    asked_model: bool

    def overall(self, aggregation: config.Aggregation) -> Floats:
        """The global value of each feature; (F, K)."""
        return aggregated(self.values, aggregation)


def aggregated(values: Floats, aggregation: config.Aggregation) -> Floats:
    """Values of all rows as one; (n, ...) -> (...)."""
    if aggregation == "median":
        return np.asarray(np.median(values, axis=0))
    if aggregation == "mean_sq":
        return np.asarray((values**2).mean(axis=0))
    return np.asarray(np.abs(values).mean(axis=0))


def of_trees(
    found: models.Trees, rows: Floats, baseline: Floats, *, asked: config.Shap, progress: Progress
) -> Attributions | None:
    """SHAP values by Tree SHAP against every row of the baseline; None where the link of the trees has no way.

    In the space of the margin (regression, or log-odds by use_logit) they are the Shapley values of the model. In that of
    probabilities they are the exact ones of the margin carried over, with the definition of trees.against.
    """
    ensemble, scale = found.explainer.ensemble, 1.0
    link = ensemble.link
    space: Literal["margin", "prediction"] = "margin"
    if found.space == "margin" or link.name == "identity":
        what = "exact Shapley values of the model's scores"
        if asked.use_logit:
            return None
    elif asked.use_logit:
        scale, what = link.scale, "exact Shapley values of the log-odds"
        if link.name != "logistic":
            return None
    else:
        space = "prediction"
        what = "exact in the space of the margin, carried over to the prediction against each row of the baseline"
    try:
        explainer = trees.Explainer(ensemble, baseline, space=space)
    except trees.ModelUnsupported:
        return None
    parts = []
    for start, end in _spans(len(rows)):
        parts.append(explainer.shap_values(rows[start:end]))
        progress(end, len(rows))
    return Attributions(
        values=np.concatenate([_wide(part.values) for part in parts]) * scale,
        expected=np.atleast_1d(parts[0].base_values[0]) * scale,
        method="tree_shap",
        account=f"Tree SHAP on {found.file}: {what}.{_NOT_NEEDED if asked.n_samples else ''}",
        largest_error=0.0,
        asked_model=False,
    )


def of_model(
    model: asking.Model,
    rows: Floats,
    baseline: Floats,
    *,
    names: Sequence[str],
    asked: config.Shap,
    progress: Progress,
    whose: str,
    asked_model: bool,
) -> Attributions:
    """Kernel SHAP by asking: exact where all coalitions fit into the number of samples. Raises ModelFault."""
    n_samples, note = samples(len(names), asked.n_samples)
    question = sampling.Question(
        predict=model.scores,
        background=baseline,
        feature_names=names,
        space="log-odds" if asked.use_logit else "prediction",
    )
    parts = []
    for start, end in _spans(len(rows)):
        try:
            parts.append(
                sampling.kernel_shap(question, rows[start:end], n_samples=n_samples, seed=asked.seed)
            )
        except games.BadPredictions as exc:
            hint = (
                " With use_logit the model has to answer probabilities above 0 and below 1."
                if asked.use_logit
                else ""
            )
            raise faults.ModelFault(f"{exc}{hint}") from exc
        progress(end, len(rows))
    values = np.concatenate([_wide(part.explanation.values) for part in parts])
    exact = parts[0].method == "exact"
    error = max(float(part.errors.max(initial=0.0)) for part in parts)
    count = "all coalitions of features" if exact else f"{n_samples:,} coalitions of features a row"
    return Attributions(
        values=values,
        expected=np.atleast_1d(parts[0].explanation.base_values[0]),
        method="exact" if exact else "kernel_shap",
        account=f"Kernel SHAP asking {whose} about {count}{', so the values are exact' if exact else ''}.{note}",
        largest_error=error,
        asked_model=asked_model,
    )


def _spans(n_rows: int) -> Iterator[tuple[int, int]]:
    """Rows in some twenty parts."""
    step = max(1, -(-n_rows // _PARTS))
    return ((start, min(start + step, n_rows)) for start in range(0, n_rows, step))


def _wide(values: Floats) -> Floats:
    return values[:, :, np.newaxis] if values.ndim == 2 else values


def samples(n_features: int, wanted: int | None) -> tuple[int, str]:
    """How many coalitions are asked about, and a sentence when that is not what was wanted."""
    if wanted is None:
        return 2 * n_features + 2048, ""
    least = 2 * n_features
    if wanted < least:
        return (
            least,
            f" num_samples was {wanted}; {least} is the least for {n_features} features, and was taken.",
        )
    return wanted, ""
