"""SHAP values of every row: exact where the model's trees can be read, sampled by asking it otherwise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
_ELEMENTWISE = frozenset({"identity", "logistic", "exp", "log1p_exp", "signed_square"})


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
        if aggregation == "median":
            return np.asarray(np.median(self.values, axis=0))
        if aggregation == "mean_sq":
            return np.asarray((self.values**2).mean(axis=0))
        return np.asarray(np.abs(self.values).mean(axis=0))


def of_trees(found: models.Trees, rows: Floats, baseline: Floats, *, use_logit: bool) -> Attributions | None:
    """Exact SHAP values against every row of the baseline; None where the link of the trees has no exact way.

    In the space of the margin (regression, or log-odds by use_logit) they are the Shapley values of the model. In that of
    probabilities they are the exact ones of the margin, carried over for each row of the baseline by the ratio of the
    differences (probability / margin), as shap's TreeExplainer does with model_output="probability".
    """
    link = found.ensemble.link
    if found.space == "margin" or link.name == "identity":
        if use_logit:
            return None
        scale, what = 1.0, "exact Shapley values of the model"
    elif link.name == "logistic" and use_logit:
        scale, what = link.scale, "exact Shapley values of the log-odds"
    elif link.name in _ELEMENTWISE and not use_logit:
        return _carried(found, rows, baseline)
    else:
        return None
    explanation = trees.Explainer(found.ensemble, baseline).shap_values(rows)
    values, bases = explanation.values, explanation.base_values
    return Attributions(
        values=(values[:, :, np.newaxis] if values.ndim == 2 else values) * scale,
        expected=np.atleast_1d(bases[0]) * scale,
        method="tree_shap",
        account=f"Tree SHAP on {found.file}: {what}.",
        largest_error=0.0,
        asked_model=False,
    )


def _carried(found: models.Trees, rows: Floats, baseline: Floats) -> Attributions:
    """Exact values of the margin as parts of the prediction, baseline row by baseline row."""
    link, plain = found.ensemble.link, trees.Explainer(found.ensemble)
    margins, base_margins = plain.predict_margin(rows), plain.predict_margin(baseline)
    predictions, base_predictions = link.apply(margins), link.apply(base_margins)
    total = np.zeros((len(rows), found.ensemble.n_features))
    for at in range(len(baseline)):
        explained = trees.Explainer(found.ensemble, baseline[at : at + 1]).shap_values(rows)
        difference = margins - base_margins[at]
        flat = np.abs(difference) < 1e-9
        slope = _slope(link, margins)
        ratio = np.where(flat, slope, (predictions - base_predictions[at]) / np.where(flat, 1.0, difference))
        total += explained.values * ratio[:, np.newaxis]
    return Attributions(
        values=(total / len(baseline))[:, :, np.newaxis],
        expected=np.array([base_predictions.mean()]),
        method="tree_shap",
        account=f"Tree SHAP on {found.file}: exact in the space of the margin, carried over to the prediction against "
        "each row of the baseline.",
        largest_error=0.0,
        asked_model=False,
    )


def _slope(link: trees.Link, margins: Floats) -> Floats:
    """How much the prediction grows with the margin, there."""
    step = 1e-5 * np.maximum(1.0, np.abs(margins))
    return np.asarray((link.apply(margins + step) - link.apply(margins - step)) / (2 * step))


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
    step = max(1, -(-len(rows) // _PARTS))
    parts = []
    for start in range(0, len(rows), step):
        try:
            parts.append(
                sampling.kernel_shap(
                    question, rows[start : start + step], n_samples=n_samples, seed=asked.seed
                )
            )
        except games.BadPredictions as exc:
            hint = (
                " With use_logit the model has to answer probabilities above 0 and below 1."
                if asked.use_logit
                else ""
            )
            raise faults.ModelFault(f"{exc}{hint}") from exc
        progress(min(start + step, len(rows)), len(rows))
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
