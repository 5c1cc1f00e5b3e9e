"""Force, dependence, decision, cohort and counterfactual charts add up and draw what they hold."""

from __future__ import annotations

import dataclasses
import html
import json
import math
from collections.abc import Callable
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glasskit import charts, explain
from glasskit.charts.svg import canvas

SVG = "{http://www.w3.org/2000/svg}"
NASTY = "</text><script>alert('x')</script>\"&\x00\x1b\ud800"


def explanation(n_rows: int = 40, n_features: int = 5, *, seed: int = 0) -> explain.Explanation:
    random = np.random.default_rng(seed)
    data = np.array(random.normal(size=(n_rows, n_features)), dtype=object)
    if n_features > 2:
        data[:, 1] = random.choice(["rent", "own", "free"], n_rows)
        data[0, 2] = math.nan
    return explain.Explanation(
        values=random.normal(size=(n_rows, n_features)),
        base_values=np.full(n_rows, -0.5),
        data=data,
        feature_names=[f"f{index}" for index in range(n_features)],
        labels={"f0": NASTY},
        descriptions={"f0": NASTY},
    )


def changed(one: explain.Attribution, name: str, value: object, shift: float) -> explain.Attribution:
    at = one.names.index(name)
    values, data = list(one.values), list(one.data)
    values[at] += shift
    data[at] = value
    return dataclasses.replace(one, values=values, data=data)


def drawings(whole: explain.Explanation) -> dict[str, object]:
    first = whole.feature_names[0]
    return {
        "force": charts.force.force(whole.row(0)),
        "dependence": charts.dependence.dependence(whole, first),
        "decision": charts.decision.decision(whole, marked=[0]),
        "cohorts": charts.cohorts.cohorts({"all": whole, NASTY: whole}),
        "counterfactual": charts.counterfactual.side_by_side(
            whole.row(0), changed(whole.row(0), first, NASTY, -1.0)
        ),
        "bar": charts.summary.bar(whole),
        "beeswarm": charts.summary.beeswarm(whole),
        "waterfall": charts.waterfall.waterfall(whole.row(0)),
    }


KINDS = tuple(drawings(explanation()))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("n_rows", "n_features"), [(1, 1), (40, 5), (3, 500)])
def test_a_chart_draws_itself_in_a_notebook(kind: str, n_rows: int, n_features: int) -> None:
    chart = drawings(explanation(n_rows, n_features))[kind]
    drawing = chart._repr_svg_()
    root = ElementTree.fromstring(drawing)
    assert root.tag == f"{SVG}svg"
    assert root.get("role") == "img"
    titled = [root.find(f"{SVG}{part}") for part in ("title", "desc")]
    assert all(part is not None and part.text for part in titled)
    assert "<script" not in drawing
    assert "NaN" not in drawing
    assert "nan" not in drawing.replace("nance", "")
    assert canvas.title_of(drawing) in html.unescape(html.unescape(chart._repr_html_()))
    json.dumps(chart.as_dict(), allow_nan=False)


@given(st.lists(st.floats(-20, 20), min_size=1, max_size=20), st.integers(1, 8))
def test_what_raises_minus_what_lowers_is_the_way_from_the_baseline(values: list[float], most: int) -> None:
    one = explain.Attribution(names=[f"f{at}" for at in range(len(values))], values=values, base_value=1.0)
    chart = charts.force.force(one, max_features=most)
    assert all(step.contribution > 0 for step in chart.raising)
    assert all(step.contribution < 0 for step in chart.lowering)
    total = sum(step.contribution for step in (*chart.raising, *chart.lowering))
    assert total == pytest.approx(one.margin - one.base_value, abs=1e-9)


def test_raising_segments_end_at_the_prediction_and_lowering_ones_begin_there() -> None:
    one = explain.Attribution(names=["a", "b", "c"], values=[1.0, -2.0, 0.5], base_value=0.0)
    root = ElementTree.fromstring(charts.svg.force(charts.force.force(one)))
    arrows = [
        (path.get("fill", ""), [float(pair.split()[0]) for pair in path.get("d", "")[1:-1].split("L")])
        for path in root.iter(f"{SVG}path")
        if path.get("stroke-width") == "1"
    ]
    raising = [xs for fill, xs in arrows if fill == charts.svg.canvas.RAISES]
    lowering = [xs for fill, xs in arrows if fill.startswith("url")]
    assert len(raising) == 2
    assert len(lowering) == 1
    assert max(map(max, raising)) == pytest.approx(min(lowering[0]), abs=0.02)
    assert raising[0][0] < max(raising[0])
    assert lowering[0][0] > min(lowering[0])


@settings(max_examples=20)
@given(st.integers(0, 1000), st.integers(1, 6))
def test_every_path_leads_from_the_baseline_to_its_prediction(seed: int, most: int) -> None:
    whole = explanation(12, 6, seed=seed)
    chart = charts.decision.decision(whole, max_features=most)
    for path in chart.paths:
        assert path.margins[0] == -0.5
        assert path.margins[-1] == pytest.approx(whole.row(path.row).margin)
        assert len(path.margins) == len(chart.names) + 1


def test_marked_rows_are_drawn_however_many_there_are() -> None:
    chart = charts.decision.decision(explanation(charts.decision.MOST_ROWS + 50), marked=[240])
    assert [path.row for path in chart.paths if path.is_marked] == [240]
    assert len(chart.paths) == charts.decision.MOST_ROWS + 1


def test_a_dependence_chart_holds_every_row_and_says_what_is_missing() -> None:
    chart = charts.dependence.dependence(explanation(), "f2", colour_by="f1")
    assert [point.row for point in chart.points] == list(range(40))
    assert chart.points[0].x is None
    assert chart.colour_categories == ("free", "own", "rent")
    assert {point.level for point in chart.points} == {0.0, 0.5, 1.0}


def test_the_partner_that_interacts_is_found() -> None:
    random = np.random.default_rng(0)
    data = random.normal(size=(300, 4))
    values = np.zeros((300, 4))
    values[:, 0] = data[:, 0] * data[:, 2] + 0.1 * random.normal(size=300)
    whole = explain.Explanation(
        values=values, base_values=np.zeros(300), data=data, feature_names=["a", "b", "c", "d"]
    )
    assert charts.dependence.strongest_partner(whole, "a") == "c"
    assert charts.dependence.dependence(whole, "a").colour_name == "c"
    assert charts.dependence.dependence(whole, "a", colour_by=None).colour_name is None


def test_interactions_that_are_known_choose_the_partner() -> None:
    whole = explanation()
    values = np.zeros((40, 5, 5))
    values[:, 0, 3] = values[:, 3, 0] = -0.2
    values[:, 0, 0] = 9.0
    known = explain.Interactions(
        values=values, base_values=np.zeros(40), data=whole.data, feature_names=whole.feature_names
    )
    assert charts.dependence.dependence(whole, "f0", interactions=known).colour_name == "f3"
    assert charts.dependence.dependence(whole, "f1", interactions=known).colour_name is None
    with pytest.raises(ValueError, match="'g'"):
        charts.dependence.dependence(
            dataclasses.replace(whole, feature_names=("g", "f1", "f2", "f3", "f4")), "g", interactions=known
        )


def test_cohorts_are_compared_by_the_same_features() -> None:
    one, other = explanation(seed=1), explanation(seed=2)
    chart = charts.cohorts.cohorts({"one": one, "other": other}, max_features=3)
    assert chart.comparisons[-1].label == "2 other features"
    for entry in chart.comparisons[:-1]:
        at = one.feature_names.index(entry.name)
        assert entry.mean_absolute == pytest.approx(
            [np.abs(some.values[:, at]).mean() for some in (one, other)]
        )
    strengths = [max(entry.mean_absolute) for entry in chart.comparisons[:-1]]
    assert strengths == sorted(strengths, reverse=True)


def test_both_sides_of_a_counterfactual_add_up_and_what_changes_comes_first() -> None:
    before = explanation(n_features=30).row(0)
    after = changed(before, "f7", 99.0, -0.001)
    chart = charts.counterfactual.side_by_side(before, after, max_features=4)
    assert chart.pairs[0].name == "f7"
    assert (chart.pairs[0].is_changed, chart.pairs[0].new_text) == (True, "99")
    assert not any(pair.is_changed for pair in chart.pairs[1:])
    assert sum(pair.before for pair in chart.pairs) == pytest.approx(before.margin - before.base_value)
    assert sum(pair.after for pair in chart.pairs) == pytest.approx(after.margin - after.base_value)


@pytest.mark.parametrize(
    "ask",
    [
        lambda whole: charts.dependence.dependence(whole, "zodiac"),
        lambda whole: charts.decision.decision(whole, marked=[999]),
        lambda whole: charts.cohorts.cohorts({}),
        lambda whole: charts.cohorts.cohorts({"a": whole, "b": explanation(n_features=3)}),
        lambda whole: charts.counterfactual.side_by_side(whole.row(0), explanation(n_features=3).row(0)),
        lambda whole: charts.counterfactual.side_by_side(
            whole.row(0), whole.row(1), changes={"zodiac": (1, 2)}
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused(ask: Callable[[explain.Explanation], object]) -> None:
    with pytest.raises(ValueError, match=r"zodiac|999|cohort|features"):
        ask(explanation())
