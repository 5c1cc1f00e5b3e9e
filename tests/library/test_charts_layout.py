"""Nothing overlaps and nothing is cut off, with one feature or five hundred, and any numbers."""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glasskit import charts, explain
from glasskit.charts import axes
from glasskit.charts.svg import canvas, measure, palette

SVG = "{http://www.w3.org/2000/svg}"
LONG = "personal__employment__since__years_in_the_current_job_without_any_interruption_of_note"


def explanation(n_rows: int, n_features: int, *, size: float = 1.0) -> explain.Explanation:
    random = np.random.default_rng(n_features)
    data = np.array(random.normal(size=(n_rows, n_features)).round(3), dtype=object)
    data[0, 0] = math.nan
    return explain.Explanation(
        values=random.normal(size=(n_rows, n_features)) * size,
        base_values=np.full(n_rows, -0.5 * size),
        data=data,
        feature_names=[
            LONG if index == 0 else f"group_{index % 7}__number_{index}" for index in range(n_features)
        ],
        labels={"group_1__number_1": "Ünïcödé 年齢 возраст"},
        link="identity" if size > 10 else "logistic",
    )


def drawings(whole: explain.Explanation) -> dict[str, charts.shown.Shown]:
    one = whole.row(0)
    after = dataclasses.replace(one, data=("another value " * 9, *one.data[1:]))
    matrix = np.random.default_rng(0).normal(size=(len(one.names),) * 2) * float(np.abs(whole.values).max())
    return {
        "waterfall": charts.waterfall.waterfall(one),
        "force": charts.force.force(one),
        "bar": charts.summary.bar(whole),
        "beeswarm": charts.summary.beeswarm(whole),
        "dependence": charts.dependence.dependence(whole, LONG),
        "decision": charts.decision.decision(whole, marked=[0]),
        "cohorts": charts.cohorts.cohorts({"all of them": whole, LONG: whole}),
        "counterfactual": charts.counterfactual.side_by_side(one, after),
        "heat_map": charts.interaction.heat_map(matrix, one.names, labels=whole.labels),
    }


KINDS = (
    *("waterfall", "force", "bar", "beeswarm", "dependence"),
    *("decision", "cohorts", "counterfactual", "heat_map"),
)
Box = tuple[float, float, float, str]
"""(left, right, baseline, text)"""


def boxes(drawing: str) -> list[Box]:
    """Where every upright text stands."""
    found: list[Box] = []

    def walk(part: ElementTree.Element, down: float) -> None:
        moved = re.fullmatch(r"translate\(0 (.+)\)", part.get("transform", ""))
        down += float(moved[1]) if moved else 0.0
        if part.tag == f"{SVG}text" and "rotate" not in part.get("transform", ""):
            found.append(_box(part, down))
        for child in part:
            walk(child, down)

    walk(ElementTree.fromstring(drawing), 0.0)
    return found


def _box(part: ElementTree.Element, down: float) -> Box:
    size, x, y = (float(part.get(name, "0")) for name in ("font-size", "x", "y"))
    weight = int(part.get("font-weight", "400"))
    wide = measure.text_width(part.text or "", size, weight=weight)
    wide += sum(measure.text_width(child.text or "", size, weight=600) for child in part)
    left = x - wide * {"start": 0.0, "middle": 0.5, "end": 1.0}[part.get("text-anchor", "start")]
    return left, left + wide, y + down, "".join(part.itertext())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_features", [1, 6, 30, 500])
def test_no_text_leaves_the_drawing_or_touches_another(kind: str, n_features: int) -> None:
    check_layout(drawings(explanation(20, n_features))[kind].to_svg())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [640, 1600])
def test_narrow_and_wide_drawings_are_as_tidy_whatever_the_axis_is_called(kind: str, width: float) -> None:
    chart = drawings(explanation(20, 6))[kind]
    check_layout(chart.to_svg(width=width))
    many = "makes it very much likelier that the whole of the credit will not be paid back in time, "
    axis = charts.Axis(label=many * 3, raises=many * 2, lowers="un" + many * 2)
    check_layout(chart.to_svg(width=width, axis=axis))
    with pytest.raises(ValueError, match="width is 100"):
        chart.to_svg(width=100)


def check_layout(drawing: str) -> None:
    width, height = canvas.size_of(drawing)
    found = boxes(drawing)
    assert len(found) > 3
    for left, right, y, text in found:
        assert left >= 0, text
        assert right <= width, text
        assert 0 < y < height, text
    for one, other in itertools.combinations(found, 2):
        is_apart = one[1] <= other[0] or other[1] <= one[0] or abs(one[2] - other[2]) >= 10
        assert is_apart, (one, other)


@pytest.mark.parametrize("n_features", [1, 6, 500])
def test_the_slanted_names_of_a_heat_map_stay_inside(n_features: int) -> None:
    drawing = drawings(explanation(3, n_features))["heat_map"].to_svg()
    width, _ = canvas.size_of(drawing)
    slanted = [part for part in ElementTree.fromstring(drawing).iter(f"{SVG}text") if part.get("transform")]
    assert len(slanted) == min(n_features, 13)
    for part in slanted:
        reach = measure.text_width(part.text or "", float(part.get("font-size", "0"))) * math.sqrt(0.5)
        assert float(part.get("x", "0")) + reach <= width
        assert float(part.get("y", "0")) - reach - 10 >= 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [0.0, 1e-300, 1e-9, 1e9, 1e300])
def test_any_size_of_numbers_is_drawn(kind: str, size: float) -> None:
    drawing = drawings(explanation(20, 6, size=size))[kind].to_svg()
    ElementTree.fromstring(drawing)
    geometry = re.findall(r' (?:x|y|width|height|cx|cy|r|d|x1|x2|y1|y2)="([^"]*)"', drawing)
    assert not [one for one in geometry if re.search("nan|inf|e[+-]", one)]
    width, _ = canvas.size_of(drawing)
    for left, right, _, text in boxes(drawing):
        assert left >= 0, text
        assert right <= width, text


@pytest.mark.parametrize("n_features", [6, 500])
@pytest.mark.parametrize("kind", KINDS)
def test_a_long_name_is_cut_at_its_end_and_stands_whole_in_a_title(kind: str, n_features: int) -> None:
    whole = explanation(20, n_features)
    values = whole.values.copy()
    values[:, 0] *= 1000.0
    drawing = drawings(dataclasses.replace(whole, values=values))[kind].to_svg()
    assert not [text for *_, text in boxes(drawing) if text.startswith("…")]
    titles = [part.text or "" for part in ElementTree.fromstring(drawing).iter(f"{SVG}title")]
    if kind != "heat_map" or n_features == 6:
        assert [title for title in titles if explain.words.readable(LONG) in title]


def test_a_value_stands_whole_where_its_name_leaves_room() -> None:
    (text,) = ElementTree.fromstring(canvas.label("amount", 130.0, 20.0, 122.0, given="5,951")).iter("text")
    assert "".join(text.itertext()) == "amount\N{NO-BREAK SPACE}= 5,951"


@given(st.text(max_size=80), st.floats(30, 400), st.integers(1, 3))
def test_a_fitted_text_fits_and_begins_as_it_did(text: str, width: float, n_lines: int) -> None:
    fitted = measure.fitted(text, width)
    assert measure.text_width(fitted) <= width or len(fitted) <= 2
    assert text.startswith(fitted.removesuffix("…")) or fitted == text
    lines = measure.wrapped(text, width, n_lines=n_lines)
    assert len(lines) <= n_lines
    assert all(measure.text_width(line) <= width or len(line) <= 2 for line in lines)


@settings(max_examples=200)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=9))
def test_a_scale_holds_all_its_numbers(margins: list[float]) -> None:
    on = axes.scale(margins, left=10.0, right=500.0)
    for margin in margins:
        assert 10.0 - 1e-6 <= on.x(max(-1e307, min(1e307, margin))) <= 500.0 + 1e-6
    axes.linear_ticks(on.low, on.high, n_most=6)


def test_red_raises_and_green_lowers_and_each_says_so_without_colour() -> None:
    one = explain.Attribution(names=["up", "down"], values=[1.0, -1.0], base_value=0.0)
    force = charts.force.force(one).to_svg()
    bar = charts.summary.bar(
        explain.Explanation(
            values=np.array([[1.0, -1.0]]),
            base_values=np.zeros(1),
            data=np.zeros((1, 2)),
            feature_names=["up", "down"],
        )
    ).to_svg()
    for drawing in (force, bar):
        fills = {}
        for mark in ElementTree.fromstring(drawing).iter(f"{SVG}g"):
            if mark.get("class") == "mark":
                shape = next(part for part in mark if part.tag in (f"{SVG}rect", f"{SVG}path"))
                fills[mark.get("data-series")] = shape.get("fill", "")
        assert fills["raises"] == palette.RAISES
        assert fills["lowers"].startswith("url(#hatch-")


def luminance(colour: str) -> float:
    shares = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("ink", [palette.INK, palette.FAINT_INK])
def test_texts_have_contrast_by_day_and_by_night(ink: str) -> None:
    assert contrast(ink, palette.BACKGROUND) >= 4.5
    assert contrast(palette.DARK[ink], palette.DARK[palette.BACKGROUND]) >= 4.5


def test_shades_get_lighter_step_by_step_in_both_themes() -> None:
    for ramp in (palette.SHADES, [palette.DARK[one] for one in palette.SHADES]):
        steps = [luminance(colour) for colour in ramp]
        assert steps == sorted(steps)
        assert contrast(ramp[0], ramp[-1]) >= 2


def test_the_dark_theme_changes_colours_and_nothing_else() -> None:
    nasty = '" fill="#FFFFFF" & #FFFFFF'
    one = explain.Attribution(names=[nasty], values=[1.0], base_value=0.0, data=[nasty])
    chart = charts.waterfall.waterfall(one)
    light, dark = (ElementTree.fromstring(chart.to_svg(theme=theme)) for theme in ("light", "dark"))
    assert light.find(f"{SVG}rect").get("fill") == palette.BACKGROUND
    assert dark.find(f"{SVG}rect").get("fill") == palette.DARK[palette.BACKGROUND]
    assert "".join(light.itertext()) == "".join(dark.itertext())


def test_two_drawings_on_one_page_share_no_names() -> None:
    named = [
        set(re.findall(r' id="([^"]+)"', charts.force.force(explanation(2, n).row(0)).to_svg()))
        for n in (3, 4)
    ]
    assert len(named[0]) > 2
    assert not named[0] & named[1]
