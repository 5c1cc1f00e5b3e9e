"""The bias metrics: by hand on one small table, by a slow independent reading of the definitions, and by their laws."""

from __future__ import annotations

import doctest
import importlib
import math
import pkgutil
import statistics
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from glasskit import bias
from glasskit.bias import estimates

LN = math.log
# facet d?, label, predicted, group, x: a has TP 3, FP 1, FN 2, TN 4; d has TP 1, FP 2, FN 1, TN 4
ROWS = [
    *[(0, 1, 1, "p", 10.0)] * 2,
    (0, 1, 0, "p", 0.0),
    *[(0, 0, 0, "p", 0.0)] * 2,
    (1, 1, 1, "p", 10.0),
    (1, 0, 1, "p", 10.0),
    (1, 0, 0, "p", 10.0),
    (0, 1, 1, "q", 10.0),
    (0, 1, 0, "q", 0.0),
    (0, 0, 1, "q", 10.0),
    *[(0, 0, 0, "q", 0.0)] * 2,
    (1, 1, 0, "q", 10.0),
    (1, 0, 1, "q", 0.0),
    *[(1, 0, 0, "q", 0.0)] * 3,
]
GOLDEN = {
    "CI": 1 / 9,
    "DPL": 0.25,
    "KL": LN(4 / 3) / 2,
    "JS": (0.5 * LN(4 / 3) + 0.5 * LN(4 / 5) + 0.25 * LN(2 / 3) + 0.75 * LN(6 / 5)) / 2,
    "LP": math.sqrt(2) / 4,
    "TVD": 0.25,
    "KS": 0.25,
    "CDDL": 46 / 189,
    "DPPL": 0.025,
    "DI": 0.9375,
    "DCA": 7 / 12,
    "DCR": 11 / 30,
    "RD": 0.1,
    "SD": -2 / 15,
    "DAR": 5 / 12,
    "DRR": 2 / 15,
    "AD": 0.075,
    "TE": -1.5,
    "CDDPL": 4 / 189,
    "FT": 0.125,
    "GE": 1 / 6,
}
SMCLARIFY = {  # n_a, positive of them, n_d, positive of them: what smclarify 0.5 answers
    (4, 3, 4, 0): {"KL": -0.34657359, "JS": 0.12046547, "LP": 0.75, "TVD": 0.375, "KS": 0.75},
    (4, 0, 4, 1): {"KL": 0.28768207, "JS": 0.00895919, "LP": 0.25, "TVD": 0.125, "KS": 0.25},
    (4, 2, 4, 4): {"KL": -0.34657359, "JS": 0.04247476, "LP": 0.5, "TVD": 0.25, "KS": 0.5},
    (4, 4, 4, 4): {"KL": 0.0, "JS": 0.0, "LP": 0.0, "TVD": 0.0, "KS": 0.0},
}
WITHOUT_FEATURES = [name for name in bias.names() if name != "FT"]

bits = st.integers(0, 1)
tables = st.lists(st.tuples(bits, bits, bits, st.integers(0, 2)), min_size=2, max_size=40).filter(
    lambda rows: len({row[0] for row in rows}) == 2
)


def columns(rows: list[tuple[int, ...]]) -> list[np.ndarray]:
    return [np.array(column) for column in zip(*rows, strict=True)]


def split_of(rows: list[tuple[int, ...]], *, compat: bool = False) -> bias.Split:
    facet, label, predicted, group = columns(rows)
    return bias.split(facet, label, predicted=predicted, group=group, compat=compat)


def value_of(name: str, split: bias.Split) -> float | None:
    try:
        return bias.find(name).of(split)
    except bias.Undefined:
        return None


def test_every_metric_has_a_golden_row_and_no_row_is_idle() -> None:
    assert set(GOLDEN) == set(bias.names())
    assert (len(bias.names("pre_training")), len(bias.names("post_training"))) == (8, 13)


@pytest.mark.parametrize("name", GOLDEN)
def test_a_metric_is_what_the_hand_computes(name: str) -> None:
    facet, label, predicted, group, x = (np.array(column) for column in zip(*ROWS, strict=True))
    report = bias.assess(
        {"facet": facet, "label": label, "predicted": predicted, "group": group, "x": x},
        label=bias.Label("label", [1]),
        facets=bias.Facet("facet", [1]),
        predicted="predicted",
        group="group",
        features=["x"],
        metrics=[name],
        options=bias.Options(interval="none"),
    )
    assert report.facets[0].results[0].value == pytest.approx(GOLDEN[name], rel=1e-12)


@pytest.mark.parametrize("sizes", SMCLARIFY)
def test_compat_gives_the_published_values_where_a_label_is_missing(sizes: tuple[int, ...]) -> None:
    n_a, good_a, n_d, good_d = sizes
    facet = np.repeat([0, 1], [n_a, n_d])
    label = np.repeat([1, 0, 1, 0], [good_a, n_a - good_a, good_d, n_d - good_d])
    split = bias.split(facet, label, compat=True)
    for name, value in SMCLARIFY[sizes].items():
        assert bias.find(name).of(split) == pytest.approx(value, abs=1e-8)


def test_compat_has_no_distance_when_no_label_is_shared_and_the_definition_has_the_greatest() -> None:
    facet, label = [0, 0, 1, 1], [1, 1, 0, 0]
    with pytest.raises(bias.Undefined, match="no label value occurs in both facets"):
        bias.find("KL").of(bias.split(facet, label, compat=True))
    exact = bias.split(facet, label)
    values = {name: bias.find(name).of(exact) for name in ("KL", "JS", "LP", "TVD", "KS")}
    assert values == pytest.approx({"KL": math.inf, "JS": LN(2), "LP": math.sqrt(2), "TVD": 1.0, "KS": 1.0})


# An independent reading of the definitions, row by row in plain Python.


def divide(above: float, below: float) -> float:
    if below:
        return above / below
    return math.copysign(math.inf, above) if above else 0.0


def minus(left: float, right: float) -> float:
    return 0.0 if left == right else left - right


def count(rows: list[tuple[int, ...]], **wanted: int) -> int:
    places = {"f": 0, "y": 1, "p": 2, "g": 3}
    return sum(all(row[places[key]] == value for key, value in wanted.items()) for row in rows)


def disparity(rows: list[tuple[int, ...]], key: str) -> float | None:
    if count(rows, **{key: 1}) in (0, len(rows)):
        return None
    total = 0.0
    for g in {row[3] for row in rows}:
        rejected = divide(count(rows, g=g, f=1, **{key: 0}), count(rows, g=g, **{key: 0}))
        accepted = divide(count(rows, g=g, f=1, **{key: 1}), count(rows, g=g, **{key: 1}))
        total += count(rows, g=g) * (rejected - accepted)
    return total / len(rows)


def masses(rows: list[tuple[int, ...]]) -> list[tuple[float, float]]:
    n_a, n_d = count(rows, f=0), count(rows, f=1)
    return [(count(rows, f=0, y=y) / n_a, count(rows, f=1, y=y) / n_d) for y in (0, 1)]


def divergence(pairs: list[tuple[float, float]]) -> float:
    return sum(0.0 if p == 0 else math.inf if q == 0 else p * LN(p / q) for p, q in pairs)


def entropy(rows: list[tuple[int, ...]]) -> float | None:
    benefits = [row[2] - row[1] + 1 for row in rows]
    mean = statistics.fmean(benefits)
    return sum((b / mean) ** 2 - 1 for b in benefits) / (len(rows) * 2) if mean else None


def rate(rows: list[tuple[int, ...]], above: dict[str, int], below: dict[str, int]) -> list[float]:
    """For facet a and facet d."""
    return [divide(count(rows, f=f, **above, **below), count(rows, f=f, **below)) for f in (0, 1)]


def outcome_ratio(rows: list[tuple[int, ...]], value: int) -> list[float]:
    return [divide(count(rows, f=f, y=value), count(rows, f=f, p=value)) for f in (0, 1)]


def exchange(pair: list[float]) -> float:
    return minus(pair[1], pair[0])


SLOW: dict[str, Callable[[list[tuple[int, ...]]], float | None]] = {
    "CI": lambda r: (count(r, f=0) - count(r, f=1)) / len(r),
    "DPL": lambda r: minus(*rate(r, {"y": 1}, {})),
    "KL": lambda r: divergence(masses(r)),
    "JS": lambda r: (
        (
            divergence([(p, (p + q) / 2) for p, q in masses(r)])
            + divergence([(q, (p + q) / 2) for p, q in masses(r)])
        )
        / 2
    ),
    "LP": lambda r: math.sqrt(sum((p - q) ** 2 for p, q in masses(r))),
    "TVD": lambda r: sum(abs(p - q) for p, q in masses(r)) / 2,
    "KS": lambda r: max(abs(p - q) for p, q in masses(r)),
    "CDDL": lambda r: disparity(r, "y"),
    "DPPL": lambda r: minus(*rate(r, {"p": 1}, {})),
    "DI": lambda r: divide(*reversed(rate(r, {"p": 1}, {}))),
    "DCA": lambda r: minus(*outcome_ratio(r, 1)),
    "DCR": lambda r: exchange(outcome_ratio(r, 0)),
    "RD": lambda r: minus(*rate(r, {"p": 1}, {"y": 1})),
    "SD": lambda r: exchange(rate(r, {"p": 0}, {"y": 0})),
    "DAR": lambda r: minus(*rate(r, {"y": 1}, {"p": 1})),
    "DRR": lambda r: exchange(rate(r, {"y": 0}, {"p": 0})),
    "AD": lambda r: minus(
        *(sum(row[1] == row[2] for row in r if row[0] == f) / count(r, f=f) for f in (0, 1))
    ),
    "TE": lambda r: exchange([divide(count(r, f=f, y=1, p=0), count(r, f=f, y=0, p=1)) for f in (0, 1)]),
    "CDDPL": lambda r: disparity(r, "p"),
    "GE": entropy,
}


def test_the_slow_reading_covers_every_metric_of_counts() -> None:
    assert set(SLOW) == set(WITHOUT_FEATURES)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(rows=tables)
def test_metrics_equal_a_slow_reading_of_their_definitions(rows: list[tuple[int, ...]]) -> None:
    split = split_of(rows)
    for name, slow in SLOW.items():
        found, expected = value_of(name, split), slow(rows)
        assert (found is None) == (expected is None), name
        if found is not None:
            assert found == pytest.approx(expected, abs=1e-12), name


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(rows=tables)
def test_values_stay_in_their_ranges(rows: list[tuple[int, ...]]) -> None:
    split = split_of(rows)
    for name in WITHOUT_FEATURES:
        low, high = bias.find(name).range
        value = value_of(name, split)
        assert value is None or low - 1e-12 <= value <= high + 1e-12, name


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(rows=tables)
def test_facets_that_change_places_change_the_value_as_the_table_says(rows: list[tuple[int, ...]]) -> None:
    swapped = [(1 - row[0], *row[1:]) for row in rows]
    before, after = split_of(rows), split_of(swapped)
    for name in WITHOUT_FEATURES:
        metric, value, other = bias.find(name), value_of(name, before), value_of(name, after)
        if value is None or other is None or metric.swapped == "no law":
            continue
        laws = {"negated": -value, "same": value, "inverse": divide(1.0, value)}
        if metric.swapped == "inverse" and value == other == 0:
            continue  # nobody is accepted: 0/0 is 0 in either direction
        assert other == pytest.approx(laws[metric.swapped], abs=1e-12), name


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(rows=tables, order=st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(rows: list[tuple[int, ...]], order: object) -> None:
    shuffled = list(rows)
    order.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis types its random source as object
    before, after = split_of(rows), split_of(shuffled)
    assert [value_of(name, before) for name in WITHOUT_FEATURES] == [
        value_of(name, after) for name in WITHOUT_FEATURES
    ]


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(rows=tables)
def test_for_two_label_values_the_distances_are_one(rows: list[tuple[int, ...]]) -> None:
    split = split_of(rows)
    apart = abs(bias.find("DPL").of(split))
    assert bias.find("TVD").of(split) == pytest.approx(apart, abs=1e-12)
    assert bias.find("KS").of(split) == pytest.approx(apart, abs=1e-12)
    assert bias.find("LP").of(split) == pytest.approx(apart * math.sqrt(2), abs=1e-12)


def assessed(rows: list[tuple[int, ...]], **options: object) -> bias.FacetResult:
    facet, label, predicted, group = columns(rows)
    report = bias.assess(
        {"facet": facet, "label": label, "predicted": predicted, "group": group},
        label=bias.Label("label", [1], every_value=True)
        if set(label) == {0, 1}
        else bias.Label("label", [label[0]]),
        facets=bias.Facet("facet", [1]),
        predicted="predicted",
        group="group",
        metrics=WITHOUT_FEATURES,
        options=bias.Options(**{"replicates": 40, **options}),  # type: ignore[arg-type]  # options by name
    )
    return report.facets[0]


@pytest.mark.slow
@pytest.mark.parametrize("way", ["auto", "bootstrap", "formula"])
@settings(max_examples=30, deadline=None)
@given(rows=tables)
def test_an_interval_holds_its_estimate(way: str, rows: list[tuple[int, ...]]) -> None:
    for result in assessed(rows, interval=way).results:
        if result.interval is not None:
            assert result.value is not None
            assert result.interval.low - 1e-12 <= result.value <= result.interval.high + 1e-12


def test_the_bootstrap_is_the_same_for_the_same_seed_only() -> None:
    rows = [(*row[:3], int(row[3] == "q")) for row in ROWS]
    first, again, other = (assessed(rows, interval="bootstrap", seed=seed) for seed in (1, 1, 2))
    assert [r.interval for r in first.results] == [r.interval for r in again.results]
    assert [r.interval for r in first.results] != [r.interval for r in other.results]


@pytest.mark.slow
def test_bootstrap_and_formula_agree_on_many_rows() -> None:
    rows = [(*row[:3], int(row[3] == "q")) for row in ROWS] * 200
    drawn, formula = (assessed(rows, interval=way, replicates=2000) for way in ("bootstrap", "formula"))
    compared = 0
    for one, other in zip(drawn.results, formula.results, strict=True):
        if one.metric.name == "CI" or one.interval is None or other.interval is None:
            continue  # the bootstrap keeps the size of each facet
        width, expected = (i.high - i.low for i in (one.interval, other.interval))
        assert width == pytest.approx(expected, rel=0.12), one.metric.name
        compared += 1
    assert compared == 11


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 60), share=st.floats(0, 1))
def test_the_interval_of_one_share_is_wilsons(n: int, share: float) -> None:
    k = round(n * share)
    sure = stats.binomtest(k, n).proportion_ci(0.9, method="wilson")
    low, high = estimates.Share(np.array(float(k)), np.array(float(n))).wilson(0.9)
    assert (low, high) == pytest.approx((sure.low, sure.high), abs=1e-9)


def test_the_interval_of_a_difference_is_newcombes() -> None:
    """56/70 against 48/80: the first example of Newcombe (1998), method 10."""
    shares = [estimates.Share(np.array(k), np.array(n)) for k, n in ((56.0, 70.0), (48.0, 80.0))]
    sure = estimates.Difference(*shares).interval(0.95)
    assert sure is not None
    assert (round(sure.low, 4), round(sure.high, 4)) == (0.0524, 0.3339)


def test_the_interval_of_a_quotient_is_on_the_log_scale() -> None:
    above, below = (
        estimates.Share(np.array(15.0), np.array(100.0)),
        estimates.Share(np.array(30.0), np.array(100.0)),
    )
    sure = estimates.Quotient(above, below).interval(0.95)
    assert sure is not None
    error = math.sqrt(1 / 15 - 1 / 100 + 1 / 30 - 1 / 100)
    z = 1.959963984540054
    assert (sure.low, sure.high) == pytest.approx((0.5 * math.exp(-z * error), 0.5 * math.exp(z * error)))


def test_the_flip_test_has_smclarifys_sign_with_compat_and_says_the_same() -> None:
    table = {"f": [0] * 10 + [1] * 2, "x": [0.0] * 12, "y": [1] * 11 + [0], "p": [1] * 10 + [0, 0]}
    values, words = [], set()
    for compat in (False, True):
        report = bias.assess(
            table,
            label=bias.Label("y", [1], kind="categorical"),
            facets=bias.Facet("f", [1], kind="categorical"),
            predicted="p",
            metrics=["FT"],
            options=bias.Options(compat=compat, interval="none"),
        )
        result = report.facets[0].result("FT")
        values.append(result.value)
        words.add(result.words)
    assert values == [1.0, -1.0]
    assert words == {"is rejected where its like among the others is accepted"}


def test_entropy_is_undefined_when_every_row_is_a_false_negative() -> None:
    with pytest.raises(bias.Undefined, match="false negative"):
        bias.find("GE").of(bias.split([0, 1], [1, 1], predicted=[0, 0]))


@pytest.mark.parametrize("name", ["CDDL", "CDDPL", "DPPL", "FT"])
def test_a_metric_says_what_it_lacks(name: str) -> None:
    with pytest.raises(bias.Undefined, match=r"needed|there are no predicted labels"):
        bias.find(name).of(bias.split([0, 1], [1, 0]))


@pytest.mark.parametrize("module", [m.name for m in pkgutil.iter_modules(bias.__path__, "glasskit.bias.")])
def test_the_examples_in_docstrings_run(module: str) -> None:
    assert doctest.testmod(importlib.import_module(module)).failed == 0
