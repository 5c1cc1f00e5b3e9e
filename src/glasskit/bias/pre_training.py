"""Metrics of the data alone: before a model is trained.

a is the favoured facet (all other rows), d the disfavoured one (the rows asked about); n rows, n⁽¹⁾ with the
favourable label, n⁽⁰⁾ without; P(y) the share of label value y. Source: "Pre-training Bias Metrics", Amazon SageMaker
Developer Guide, and Das et al., "Fairness Measures for Machine Learning in Finance" (2020).
"""

from __future__ import annotations

import math

import numpy as np

from glasskit.bias import arithmetic, counts, disparity, estimates, faults
from glasskit.bias.arithmetic import Floats
from glasskit.bias.definitions import metric


@metric(
    "CI",
    "Class Imbalance",
    stage="pre_training",
    range=(-1, 1),
    swapped="negated",
    above="has fewer rows than the others",
    below="has more rows than the others",
)
def class_imbalance(split: counts.Split) -> estimates.Estimate:
    """(n_a − n_d) / (n_a + n_d)"""
    return estimates.Contrast(estimates.Share(split.a.n, split.a.n + split.d.n))


@metric(
    "DPL",
    "Difference in Positive Proportions in Labels",
    stage="pre_training",
    range=(-1, 1),
    swapped="negated",
    above="has the favourable label less often than the others",
    below="has the favourable label more often than the others",
)
def difference_in_proportions_of_labels(split: counts.Split) -> estimates.Estimate:
    """n_a⁽¹⁾/n_a − n_d⁽¹⁾/n_d"""
    return estimates.Difference(
        estimates.Share(split.a.positives, split.a.n), estimates.Share(split.d.positives, split.d.n)
    )


def _masses(split: counts.Split) -> tuple[Floats, Floats]:
    """P_a and P_d, (..., label values). smclarify leaves out what one of the facets never has, and keeps the rest."""
    a, d = split.a.by_label, split.d.by_label
    p = arithmetic.ratio(a, a.sum(axis=-1, keepdims=True))
    q = arithmetic.ratio(d, d.sum(axis=-1, keepdims=True))
    if not split.compat:
        return p, q
    common = (p > 0) & (q > 0)
    if common.ndim == 1 and not common.any():
        raise faults.Undefined("no label value occurs in both facets")
    return np.where(common, p, 0.0), np.where(common, q, 0.0)


def _divergence(p: Floats, q: Floats) -> Floats:
    """Σ p ln(p/q): 0 ln 0 is 0, and mass where q has none makes it infinite."""
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(p > 0, p * np.log(p / q), 0.0)
    return np.asarray(terms.sum(axis=-1))


@metric(
    "KL",
    "Kullback-Liebler Divergence",
    stage="pre_training",
    range=(0, math.inf),
    above="has other labels than the others",
)
def kullback_leibler(split: counts.Split) -> estimates.Estimate:
    """Σ_y P_a(y) ln(P_a(y) / P_d(y)), in nats

    Infinite where a has a label value that d never has. With compat such values are left out of the sum, which may
    then be negative.
    """
    value = _divergence(*_masses(split))
    return estimates.Measure(value if split.compat else np.maximum(0.0, value))


@metric(
    "JS",
    "Jensen-Shannon Divergence",
    stage="pre_training",
    range=(0, math.log(2)),
    swapped="same",
    above="has other labels than the others",
)
def jensen_shannon(split: counts.Split) -> estimates.Estimate:
    """½ [KL(P_a ‖ P) + KL(P_d ‖ P)] with P = ½ (P_a + P_d), in nats

    At most ln 2, when no label value occurs in both facets.
    """
    p, q = _masses(split)
    middle = (p + q) / 2
    value = (_divergence(p, middle) + _divergence(q, middle)) / 2
    return estimates.Measure(value if split.compat else np.clip(value, 0.0, math.log(2)))


@metric(
    "LP",
    "L-p Norm",
    stage="pre_training",
    range=(0, math.sqrt(2)),
    swapped="same",
    above="has other labels than the others",
)
def l2_norm(split: counts.Split) -> estimates.Estimate:
    """√ Σ_y (P_a(y) − P_d(y))²"""
    p, q = _masses(split)
    return estimates.Measure(np.sqrt(((p - q) ** 2).sum(axis=-1)))


@metric(
    "TVD",
    "Total Variation Distance",
    stage="pre_training",
    range=(0, 1),
    swapped="same",
    above="has other labels than the others",
)
def total_variation(split: counts.Split) -> estimates.Estimate:
    """½ Σ_y |P_a(y) − P_d(y)|"""
    p, q = _masses(split)
    return estimates.Measure(np.asarray(np.abs(p - q).sum(axis=-1) / 2))


@metric(
    "KS",
    "Kolmogorov-Smirnov Distance",
    stage="pre_training",
    range=(0, 1),
    swapped="same",
    above="has other labels than the others",
)
def kolmogorov_smirnov(split: counts.Split) -> estimates.Estimate:
    """max_y |P_a(y) − P_d(y)|, over label values (not over a cumulated distribution)"""
    p, q = _masses(split)
    return estimates.Measure(np.asarray(np.abs(p - q).max(axis=-1)))


@metric(
    "CDDL",
    "Conditional Demographic Disparity in Labels",
    stage="pre_training",
    range=(-1, 1),
    above="is a greater part of the rejected than of the accepted, within its groups",
    below="is a smaller part of the rejected than of the accepted, within its groups",
)
def conditional_demographic_disparity_in_labels(split: counts.Split) -> estimates.Estimate:
    """(1/n) Σ_i n_i DD_i with DD_i = n_d,i⁽⁰⁾/n_i⁽⁰⁾ − n_d,i⁽¹⁾/n_i⁽¹⁾, over the groups i

    A group without accepted, or without rejected, rows has 0 in that place. Undefined where the whole has none.
    """
    return disparity.conditional(split, predicted=False)
