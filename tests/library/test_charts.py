"""Charts add up, stand the right way round, and are well-formed whatever the texts hold."""

from __future__ import annotations

import itertools
import json
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glasskit import charts, explain
from glasskit.charts import axes
from glasskit.charts.svg import canvas

SVG = "{http://www.w3.org/2000/svg}"
NASTY = "</text><script>alert('x')</script>\"&\x00\x1b\ud800"


def attribution(values: list[float], base_value: float = -0.5, **parts: object) -> explain.Attribution:
    return explain.Attribution(
        names=[f"group__x{index}" for index in range(len(values))],
        values=values,
        base_value=base_value,
        **parts,
    )


def explanation(n_rows: int = 30, n_features: int = 6) -> explain.Explanation:
    random = np.random.default_rng(0)
    data = np.array(random.normal(size=(n_rows, n_features)), dtype=object)
    data[:, 1] = "a_category"
    data[0, 2] = np.nan
    return explain.Explanation(
        values=random.normal(size=(n_rows, n_features)),
        base_values=np.zeros(n_rows),
        data=data,
        feature_names=[f"f{index}" for index in range(n_features)],
    )


contributions = st.lists(st.floats(-20, 20), min_size=1, max_size=30)


@given(contributions, st.floats(-5, 5), st.integers(1, 12))
def test_a_waterfalls_steps_lead_from_baseline_to_prediction(
    values: list[float], base: float, most: int
) -> None:
    chart = charts.waterfall.waterfall(attribution(values, base), max_features=most)
    assert chart.steps[0].start_margin == base
    for before, after in itertools.pairwise(chart.steps):
        assert after.start_margin == before.end_margin
    assert chart.steps[-1].end_margin == pytest.approx(chart.margin, abs=1e-9)
    assert sum(step.contribution for step in chart.steps) == pytest.approx(sum(values), abs=1e-9)
    assert chart.steps[-1].end == pytest.approx(chart.prediction, abs=1e-9)


def test_the_strongest_step_is_last_and_the_rest_comes_first() -> None:
    chart = charts.waterfall.waterfall(attribution([0.1, -3.0, 2.0, 0.2]), max_features=2)
    assert [step.name for step in chart.steps] == ["other_features", "group__x2", "group__x1"]
    assert chart.steps[0].members == ("group__x3", "group__x0")
    assert chart.steps[0].contribution == pytest.approx(0.3)


def test_a_waterfall_of_what_is_not_a_number_is_refused() -> None:
    with pytest.raises(charts.waterfall.DoesNotAddUp):
        charts.waterfall.waterfall(attribution([1.0, float("nan")]))


def bars(drawing: str) -> list[tuple[str, float, float, float]]:
    """(fill, start, end, y) of the arrows of a waterfall, legend left out."""
    found = []
    for part in ElementTree.fromstring(drawing).iter(f"{SVG}g"):
        path = part.find(f"{SVG}path")
        if path is None or part.find(f"{SVG}title") is None:
            continue
        numbers = [float(number) for number in re.findall(r"-?\d+\.\d+", path.get("d", ""))]
        found.append((path.get("fill", ""), numbers[0], numbers[4], numbers[1]))
    return found


def test_red_points_right_green_points_left_and_the_prediction_is_on_top() -> None:
    drawing = charts.svg.waterfall(charts.waterfall.waterfall(attribution([1.0, -2.0, 0.5])))
    by_height = sorted(bars(drawing), key=lambda bar: bar[3])
    assert [bar[0] for bar in by_height] == [canvas.LOWERS, canvas.RAISES, canvas.RAISES]
    assert by_height[0][2] < by_height[0][1]
    assert by_height[1][2] > by_height[1][1]
    for upper, lower in itertools.pairwise(by_height):
        assert upper[1] == pytest.approx(lower[2], abs=0.02)


@given(contributions)
def test_bar_lengths_are_proportional_to_contributions(values: list[float]) -> None:
    chart = charts.waterfall.waterfall(attribution(values), max_features=30)
    steps = [step for step in chart.steps if step.contribution]
    lengths = [bar[2] - bar[1] for bar in reversed(bars(charts.svg.waterfall(chart)))]
    scale = sum(map(abs, lengths)) / (sum(abs(step.contribution) for step in steps) or 1.0)
    for length, step in zip(lengths, steps, strict=True):
        assert length == pytest.approx(step.contribution * scale, abs=0.05)


@pytest.mark.parametrize("n_features", [1, 500])
def test_every_chart_draws_one_or_five_hundred_features(n_features: int) -> None:
    whole = explanation(n_rows=3, n_features=max(3, n_features))
    matrix = np.random.default_rng(0).normal(size=(n_features, n_features))
    names = [f"f{index}" for index in range(n_features)]
    for drawing in (
        charts.svg.waterfall(charts.waterfall.waterfall(whole.row(0))),
        charts.svg.bar(charts.summary.bar(whole)),
        charts.svg.beeswarm(charts.summary.beeswarm(whole)),
        charts.svg.heat_map(charts.interaction.heat_map(matrix, names)),
    ):
        ElementTree.fromstring(drawing)


def test_charts_have_a_title_and_a_description_for_screen_readers() -> None:
    root = ElementTree.fromstring(charts.svg.waterfall(charts.waterfall.waterfall(attribution([1.0]))))
    named = (root.get("aria-labelledby") or "").split()
    assert root.get("role") == "img"
    assert [root.find(f"{SVG}{kind}").get("id") for kind in ("title", "desc")] == named
    assert "62.2 % predicted" in (root.find(f"{SVG}desc").text or "")


def test_texts_from_outside_never_become_markup() -> None:
    one = explain.Attribution(
        names=[NASTY],
        values=[1.0],
        base_value=0.0,
        data=[NASTY],
        descriptions={NASTY: NASTY},
        labels={NASTY: NASTY},
    )
    drawing = charts.svg.waterfall(
        charts.waterfall.waterfall(one), title=NASTY, axis=charts.Axis(label=NASTY, raises=NASTY)
    )
    root = ElementTree.fromstring(drawing)
    assert not [part for part in root.iter() if part.tag.endswith("script")]
    assert not re.search(r'\son\w+=|style="|href=', drawing)


def test_a_constant_model_still_has_a_chart() -> None:
    drawing = charts.svg.waterfall(charts.waterfall.waterfall(attribution([0.0, 0.0])))
    assert bars(drawing) == []
    ElementTree.fromstring(drawing)


def test_chart_data_is_json() -> None:
    whole = explanation()
    matrix = np.eye(6)
    for chart in (
        charts.waterfall.waterfall(whole.row(1)),
        charts.summary.bar(whole, max_features=3),
        charts.summary.beeswarm(whole, max_features=3),
        charts.interaction.heat_map(matrix, whole.feature_names),
    ):
        json.dumps(chart.as_dict(), allow_nan=False)


def test_importance_is_the_mean_absolute_contribution() -> None:
    whole = explanation()
    chart = charts.summary.bar(whole, max_features=2)
    expected = np.sort(np.abs(whole.values).mean(axis=0))[::-1]
    assert [bar.mean_absolute for bar in chart.bars[:2]] == pytest.approx(expected[:2].tolist())
    for bar in chart.bars:
        assert bar.mean_raised + bar.mean_lowered == pytest.approx(bar.mean_absolute)
    assert chart.bars[-1].label == "4 other features"


def test_a_beeswarm_shades_numbers_by_rank_and_leaves_categories_grey() -> None:
    swarms = {swarm.name: swarm for swarm in charts.summary.beeswarm(explanation()).swarms}
    assert {dot.level for dot in swarms["f1"].dots} == {None}
    levels = [dot.level for dot in swarms["f0"].dots if dot.level is not None]
    assert min(levels) == 0.0
    assert max(levels) == 1.0
    assert swarms["f2"].dots[0].level is None


@given(st.integers(1, 20), st.integers(1, 12))
def test_a_heat_map_keeps_the_total(n_features: int, most: int) -> None:
    matrix = np.random.default_rng(n_features).normal(size=(n_features, n_features))
    matrix = matrix + matrix.T
    chart = charts.interaction.heat_map(
        matrix, [f"f{index}" for index in range(n_features)], max_features=most
    )
    assert chart.total == pytest.approx(matrix.sum(), abs=1e-9)
    assert len(chart.names) == min(n_features, most + (n_features > most))
    np.testing.assert_allclose(chart.values, np.transpose(chart.values))


@settings(max_examples=200)
@given(st.floats(-30, 30), st.floats(0.01, 40))
def test_ticks_stand_at_their_predictions_and_apart(low: float, width: float) -> None:
    on = axes.Scale(low=low, high=low + width, left=0.0, right=600.0)
    marks = axes.ticks(on, link="logistic")
    for mark in marks:
        assert 100 / (1 + np.exp(-mark.at)) == pytest.approx(float(mark.text), rel=1e-4)
    places = [on.x(mark.at) for mark in marks]
    assert all(after - before >= 46.0 for before, after in itertools.pairwise(places))
