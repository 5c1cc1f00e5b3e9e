"""Metrics of a model's predictions.

a is the favoured facet (all other rows), d the disfavoured one (the rows asked about); n rows, n⁽¹⁾ with the
favourable label, n′⁽¹⁾ with the favourable prediction; TP, FP, FN, TN as usual. Source: "Post-training Data and Model
Bias Metrics", Amazon SageMaker Developer Guide, and Das et al., "Fairness Measures for Machine Learning in Finance"
(2020). 0/0 is 0, x/0 is ±∞, ∞ − ∞ is 0.
"""

from __future__ import annotations

import math

from glasskit.bias import arithmetic, counts, disparity, estimates, faults
from glasskit.bias.definitions import metric


@metric(
    "DPPL",
    "Difference in Positive Proportions in Predicted Labels",
    stage="post_training",
    range=(-1, 1),
    swapped="negated",
    above="is predicted the favourable outcome less often than the others",
    below="is predicted the favourable outcome more often than the others",
)
def difference_in_proportions_of_predictions(split: counts.Split) -> estimates.Estimate:
    """n′_a⁽¹⁾/n_a − n′_d⁽¹⁾/n_d"""
    a, d = split.a, split.d
    return estimates.Difference(
        estimates.Share(a.predicted_positives, a.n), estimates.Share(d.predicted_positives, d.n)
    )


@metric(
    "DI",
    "Disparate Impact",
    stage="post_training",
    range=(0, math.inf),
    neutral=1.0,
    swapped="inverse",
    above="is predicted the favourable outcome more often than the others",
    below="is predicted the favourable outcome less often than the others",
)
def disparate_impact(split: counts.Split) -> estimates.Estimate:
    """(n′_d⁽¹⁾/n_d) / (n′_a⁽¹⁾/n_a); 1 where the facets fare alike

    The four-fifths rule of the US Uniform Guidelines (29 CFR 1607.4 D) takes a value under 0.8 for evidence of adverse
    impact.
    """
    a, d = split.a, split.d
    return estimates.Quotient(
        estimates.Share(d.predicted_positives, d.n), estimates.Share(a.predicted_positives, a.n)
    )


@metric(
    "DCA",
    "Difference in Conditional Acceptance",
    stage="post_training",
    range=(-math.inf, math.inf),
    swapped="negated",
    above="is accepted more generously than its labels warrant, compared with the others",
    below="is accepted less generously than its labels warrant, compared with the others",
)
def difference_in_conditional_acceptance(split: counts.Split) -> estimates.Estimate:
    """n_a⁽¹⁾/n′_a⁽¹⁾ − n_d⁽¹⁾/n′_d⁽¹⁾"""
    a, d = split.a, split.d
    return estimates.Difference(
        estimates.Ratio(a.positives, a.predicted_positives, a.true_positives),
        estimates.Ratio(d.positives, d.predicted_positives, d.true_positives),
    )


@metric(
    "DCR",
    "Difference in Conditional Rejection",
    stage="post_training",
    range=(-math.inf, math.inf),
    swapped="negated",
    above="is rejected less strictly than its labels warrant, compared with the others",
    below="is rejected more strictly than its labels warrant, compared with the others",
)
def difference_in_conditional_rejection(split: counts.Split) -> estimates.Estimate:
    """n_d⁽⁰⁾/n′_d⁽⁰⁾ − n_a⁽⁰⁾/n′_a⁽⁰⁾"""
    a, d = split.a, split.d
    return estimates.Difference(
        estimates.Ratio(d.negatives, d.predicted_negatives, d.true_negatives),
        estimates.Ratio(a.negatives, a.predicted_negatives, a.true_negatives),
    )


@metric(
    "RD",
    "Recall Difference",
    stage="post_training",
    range=(-1, 1),
    swapped="negated",
    above="is found less often when it deserves the favourable outcome",
    below="is found more often when it deserves the favourable outcome",
)
def recall_difference(split: counts.Split) -> estimates.Estimate:
    """TP_a/n_a⁽¹⁾ − TP_d/n_d⁽¹⁾"""
    a, d = split.a, split.d
    return estimates.Difference(
        estimates.Share(a.true_positives, a.positives), estimates.Share(d.true_positives, d.positives)
    )


@metric(
    "SD",
    "Specificity Difference",
    stage="post_training",
    range=(-1, 1),
    swapped="negated",
    above="is wrongly accepted less often than the others",
    below="is wrongly accepted more often than the others",
)
def specificity_difference(split: counts.Split) -> estimates.Estimate:
    """TN_d/n_d⁽⁰⁾ − TN_a/n_a⁽⁰⁾"""
    a, d = split.a, split.d
    return estimates.Difference(
        estimates.Share(d.true_negatives, d.negatives), estimates.Share(a.true_negatives, a.negatives)
    )


@metric(
    "DAR",
    "Difference in Acceptance Rates",
    stage="post_training",
    range=(-1, 1),
    swapped="negated",
    above="deserves its acceptances less often than the others",
    below="deserves its acceptances more often than the others",
)
def difference_in_acceptance_rates(split: counts.Split) -> estimates.Estimate:
    """TP_a/n′_a⁽¹⁾ − TP_d/n′_d⁽¹⁾: the difference in precision"""
    a, d = split.a, split.d
    return estimates.Difference(
        estimates.Share(a.true_positives, a.predicted_positives),
        estimates.Share(d.true_positives, d.predicted_positives),
    )


@metric(
    "DRR",
    "Difference in Rejection Rates",
    stage="post_training",
    range=(-1, 1),
    swapped="negated",
    above="deserves its rejections more often than the others",
    below="deserves its rejections less often than the others",
)
def difference_in_rejection_rates(split: counts.Split) -> estimates.Estimate:
    """TN_d/n′_d⁽⁰⁾ − TN_a/n′_a⁽⁰⁾: the difference in negative predictive value"""
    a, d = split.a, split.d
    return estimates.Difference(
        estimates.Share(d.true_negatives, d.predicted_negatives),
        estimates.Share(a.true_negatives, a.predicted_negatives),
    )


@metric(
    "AD",
    "Accuracy Difference",
    stage="post_training",
    range=(-1, 1),
    swapped="negated",
    above="is predicted less accurately than the others",
    below="is predicted more accurately than the others",
)
def accuracy_difference(split: counts.Split) -> estimates.Estimate:
    """(TP_a + TN_a)/n_a − (TP_d + TN_d)/n_d"""
    a, d = split.a, split.d
    return estimates.Difference(
        estimates.Share(a.true_positives + a.true_negatives, a.n),
        estimates.Share(d.true_positives + d.true_negatives, d.n),
    )


@metric(
    "TE",
    "Treatment Equality",
    stage="post_training",
    range=(-math.inf, math.inf),
    swapped="negated",
    above="is more often wrongly rejected for each time it is wrongly accepted",
    below="is less often wrongly rejected for each time it is wrongly accepted",
)
def treatment_equality(split: counts.Split) -> estimates.Estimate:
    """FN_d/FP_d − FN_a/FP_a"""
    a, d = split.a, split.d
    none_a, none_d = a.n * 0, d.n * 0
    return estimates.Difference(
        estimates.Ratio(d.false_negatives, d.false_positives, none_d),
        estimates.Ratio(a.false_negatives, a.false_positives, none_a),
    )


@metric(
    "CDDPL",
    "Conditional Demographic Disparity in Predicted Labels",
    stage="post_training",
    range=(-1, 1),
    above="is a greater part of those predicted rejected than of those predicted accepted, within its groups",
    below="is a smaller part of those predicted rejected than of those predicted accepted, within its groups",
)
def conditional_demographic_disparity_in_predictions(split: counts.Split) -> estimates.Estimate:
    """CDDL with the predicted label in place of the observed one"""
    if not split.a.predicts:
        raise faults.Undefined("there are no predicted labels")
    return disparity.conditional(split, predicted=True)


@metric(
    "FT",
    "Flip Test",
    stage="post_training",
    range=(-1, 1),
    above="is rejected where its like among the others is accepted",
    below="is accepted where its like among the others is rejected",
    turned=True,
)
def flip_test(split: counts.Split) -> estimates.Estimate:
    """(F⁺ − F⁻) / n_d

    F⁺: rows of d that are rejected while the majority of their nearest neighbours in a is accepted; F⁻ the other way
    round. With compat the sign is smclarify's, which is the opposite. Source: Black, Yeom and Fredrikson, "FlipTest:
    Fairness Testing via Optimal Transport" (2020), with k-NN in place of transport.
    """
    flips = split.flips
    if flips is None:
        raise faults.Undefined("numeric features are needed to find neighbours")
    sign = -1.0 if split.compat else 1.0
    return estimates.Measure(sign * arithmetic.ratio(flips.to_accepted - flips.to_rejected, flips.n))


@metric(
    "GE",
    "Generalized Entropy",
    stage="post_training",
    range=(0, math.inf),
    swapped="same",
    above="and the others together share the benefit of errors unequally",
)
def generalized_entropy(split: counts.Split) -> estimates.Estimate:
    """1/(N α (α − 1)) Σ_i [(b_i/μ)^α − 1] with α = 2, b = y′ − y + 1, μ the mean of b

    Over all rows, whatever their facet. Up to 0.5 in practice; larger where most errors are false negatives. Undefined
    where every row is a false negative. Source: Speicher et al., "A Unified Approach to Quantifying Algorithmic
    Unfairness" (2018), equation 2.
    """
    whole = split.whole
    right = whole.true_positives + whole.true_negatives
    mean = arithmetic.ratio(2 * whole.false_positives + right, whole.n)
    square = arithmetic.ratio(4 * whole.false_positives + right, whole.n)
    value = (arithmetic.ratio(square, mean**2) - 1) / 2
    return estimates.Measure(estimates.unless(mean == 0, "every row is a false negative", value))
