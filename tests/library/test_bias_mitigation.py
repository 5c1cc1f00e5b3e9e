"""Reweighing and thresholds do what they promise."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glasskit import bias

people = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1)), min_size=1, max_size=40)
scored = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 1), st.integers(0, 4)), min_size=2, max_size=12
).filter(lambda rows: {(facet, 1) for facet in {row[0] for row in rows}} <= {row[:2] for row in rows})


@settings(max_examples=60, deadline=None)
@given(rows=people)
def test_weights_make_label_and_facet_independent(rows: list[tuple[int, int]]) -> None:
    facet, label = (np.array(column) for column in zip(*rows, strict=True))
    weights = bias.reweighing(facet, label)
    complete = len(set(rows)) == len(set(facet)) * len(set(label))
    for value in set(facet.tolist()) if complete else ():
        own = facet == value
        assert weights[own].sum() == pytest.approx(own.sum())
        assert np.average(label[own], weights=weights[own]) == pytest.approx(label.mean())
    assert (weights > 0).all()


def test_what_cannot_be_weighed_is_named() -> None:
    with pytest.raises(bias.Unusable, match="facet has 2 rows and label 1"):
        bias.reweighing([0, 1], [0])
    with pytest.raises(bias.Unusable, match="label has no value in row 2"):
        bias.reweighing(["a", "b"], [1.0, np.nan])


def best_by_trying_all(
    rows: list[tuple[int, int, int]], constraint: str, bound: float, *, per_facet: bool
) -> float:
    """The least number of errors, over every combination of thresholds."""
    facets = sorted({row[0] for row in rows})
    limits = [-1, *range(5)]
    least = float("inf")
    for chosen in itertools.product(limits, repeat=len(facets)):
        if not per_facet and len(set(chosen)) > 1:
            continue
        limit = dict(zip(facets, chosen, strict=True))
        rates = []
        for facet in facets:
            own = [row for row in rows if row[0] == facet and (constraint == "demographic_parity" or row[1])]
            rates.append(sum(row[2] > limit[facet] for row in own) / len(own))
        if max(rates) - min(rates) <= bound + 1e-12:
            least = min(least, sum((row[2] > limit[row[0]]) != bool(row[1]) for row in rows))
    return least


@pytest.mark.slow
@pytest.mark.parametrize("per_facet", [True, False])
@pytest.mark.parametrize("constraint", ["demographic_parity", "equal_opportunity"])
@settings(max_examples=40, deadline=None)
@given(rows=scored, bound=st.sampled_from([0.0, 0.1, 0.34, 1.0]))
def test_thresholds_are_the_best_there_are(
    constraint: str, per_facet: bool, rows: list[tuple[int, int, int]], bound: float
) -> None:
    facet, label, score = (np.array(column) for column in zip(*rows, strict=True))
    found = bias.optimise(
        score,
        label,
        facet,
        constraint=constraint,  # type: ignore[arg-type]  # one of the two words
        bound=bound,
        per_facet=per_facet,
    )
    assert found.gap <= bound + 1e-12
    assert found.cost == best_by_trying_all(rows, constraint, bound, per_facet=per_facet)
    decided = found.decide(score, facet)
    assert (decided != label.astype(bool)).sum() == found.cost
    assert found.accuracy == pytest.approx((decided == label.astype(bool)).mean())
    assert per_facet or len(set(found.by_facet.values())) == 1


def test_the_cost_of_errors_moves_the_thresholds() -> None:
    score, label, facet = [0.2, 0.4, 0.6, 0.8], [0, 1, 0, 1], ["a"] * 4
    careful = bias.optimise(
        score, label, facet, constraint="demographic_parity", bound=0, cost_false_positive=10
    )
    generous = bias.optimise(
        score, label, facet, constraint="demographic_parity", bound=0, cost_false_negative=10
    )
    assert careful.by_facet["a"] == pytest.approx(0.7)
    assert generous.by_facet["a"] == pytest.approx(0.3)


def test_thresholds_refuse_what_they_cannot_use() -> None:
    with pytest.raises(bias.Unusable, match="score is nan in row 2"):
        bias.optimise([0.1, np.nan], [0, 1], ["a", "b"], constraint="demographic_parity", bound=0.1)
    with pytest.raises(bias.Unusable, match="facet 'a' has no row with label 1"):
        bias.optimise([0.1, 0.2], [0, 1], ["a", "b"], constraint="equal_opportunity", bound=0.1)
    found = bias.optimise([0.1, 0.2], [0, 1], ["a", "b"], constraint="demographic_parity", bound=1)
    with pytest.raises(bias.Unusable, match="row 2 has facet 'c'"):
        found.decide([0.1, 0.2], ["a", "c"])
