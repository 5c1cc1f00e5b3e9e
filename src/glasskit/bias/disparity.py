"""Conditional demographic disparity, of labels or predictions."""

from __future__ import annotations

import numpy as np

from glasskit.bias import arithmetic, counts, estimates, faults


def conditional(split: counts.Split, *, predicted: bool) -> estimates.Estimate:
    """Demographic disparity averaged over groups, weighted by their rows. Raises Undefined without a group variable,
    and where no row is accepted or none is rejected.

    Source: Wachter, Mittelstadt and Russell, "Why Fairness Cannot Be Automated" (2021), section V.
    """
    if not split.grouped:
        raise faults.Undefined("a group variable is needed")
    accepted_a, accepted_d = split.a.accepted(predicted=predicted), split.d.accepted(predicted=predicted)
    rows = split.a.by_group + split.d.by_group
    accepted = accepted_a + accepted_d
    of_rejected = arithmetic.ratio(split.d.by_group - accepted_d, rows - accepted)
    of_accepted = arithmetic.ratio(accepted_d, accepted)
    total = rows.sum(axis=-1)
    value = arithmetic.ratio((rows * (of_rejected - of_accepted)).sum(axis=-1), total)
    n_accepted = accepted.sum(axis=-1)
    value = estimates.unless(n_accepted == 0, "no row has the favourable outcome", value)
    return estimates.Measure(
        np.asarray(estimates.unless(n_accepted == total, "every row has the favourable outcome", value))
    )
