"""Charts as files: one page that needs nothing else, pictures, data; and many rows make no large file."""

from __future__ import annotations

import ast
import base64
import hashlib
import html.parser
import json
import pathlib
import re
import struct
import sys
import zlib
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from glasskit import charts, explain
from glasskit.charts import page, png, raster, tables

NASTY = "</script><script>alert('x')</script><img src=http://evil.example/x onerror=alert(1)>\"'&\u2028\ud800"


def explanation(n_rows: int = 30, n_features: int = 4) -> explain.Explanation:
    random = np.random.default_rng(0)
    names = [NASTY, *(f"f{index}" for index in range(1, n_features))]
    return explain.Explanation(
        values=random.normal(size=(n_rows, n_features)),
        base_values=np.zeros(n_rows),
        data=random.normal(size=(n_rows, n_features)),
        feature_names=names,
        labels={NASTY: NASTY},
        descriptions={NASTY: NASTY},
    )


class Page(html.parser.HTMLParser):
    """What a browser would see: tags, attributes, and the content of each element kind."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.contents: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        if self.tags:
            self.contents.append((self.tags[-1][0], data))


def policy(one: Page) -> str:
    return next(named["content"] for tag, named in one.tags if named.get("http-equiv"))


def digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def test_a_page_holds_everything_and_its_policy_allows_just_that() -> None:
    chart = charts.summary.beeswarm(explanation())
    text = chart.to_html(language="de")
    one = Page(text)
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    sheets = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    assert (len(scripts), len(sheets)) == (1, 1)
    assert f"script-src '{digest(scripts[0])}'" in policy(one)
    assert f"style-src '{digest(sheets[0])}'" in policy(one)
    assert "default-src 'none'" in policy(one)
    for tag, named in one.tags:
        assert tag not in ("img", "link", "iframe", "object", "base", "form")
        assert not [name for name in named if name.startswith("on") or name in ("style", "src", "srcset")]
    assert ("html", {"lang": "de"}) in one.tags
    assert not re.search(r"\beval\b|innerHTML|document\.write|https?:", scripts[0])


def test_the_scripts_data_are_the_charts_data() -> None:
    for chart in (charts.summary.bar(explanation()), charts.waterfall.waterfall(explanation().row(0))):
        found = re.search(r'<script type="application/json" class="data">(.*?)</script>', chart.to_html())
        assert found is not None
        assert json.loads(found[1]) == json.loads(chart.to_json())


def test_with_a_nonce_script_and_sheet_carry_it_and_the_server_says_the_policy() -> None:
    one = Page(charts.summary.bar(explanation()).to_html(nonce='a"b'))
    assert not [named for _, named in one.tags if named.get("http-equiv")]
    carried = [named.get("nonce") for tag, named in one.tags if tag in ("script", "style")]
    assert carried == ['a"b'] * 3
    assert page.policy_of_page().startswith("default-src 'none'")


def test_the_table_says_every_number_of_the_chart() -> None:
    chart = charts.waterfall.waterfall(explanation(n_features=40).row(0), max_features=12)
    one = Page(chart.to_html())
    numbers = [float(named["data-number"]) for _, named in one.tags if "data-number" in named]
    assert numbers == [step.contribution for step in reversed(chart.steps)]
    assert [named["scope"] for tag, named in one.tags if tag == "th"].count("row") == len(chart.steps)


def test_a_long_table_says_that_it_is_cut() -> None:
    rows = [(f"row {index}", float(index)) for index in range(tables.MOST_ROWS + 5)]
    text = tables.Table(headings=("a", "b"), rows=rows).html()
    assert text.count("<tr>") == tables.MOST_ROWS + 1
    assert "first 2,000 of 2,005 rows" in text


def nodes(drawing: str) -> int:
    return len(re.findall(r"<[a-z]", drawing))


@pytest.mark.slow
def test_a_hundred_thousand_rows_are_counted_and_the_chart_says_so() -> None:
    whole = explanation(100_000, 6)
    beeswarm = charts.summary.beeswarm(whole)
    dependence = charts.dependence.dependence(whole, "f1")
    for drawing in (beeswarm.to_svg(), dependence.to_svg(), charts.decision.decision(whole).to_svg()):
        assert nodes(drawing) < 20_000
        assert "100,000 rows" in drawing
    for swarm in beeswarm.swarms:
        assert sum(column.n_rows for column in swarm.columns) == 100_000
    assert sum(cell.n_rows for cell in dependence.cells) == 100_000
    assert len(beeswarm.to_json()) < 1_000_000


@pytest.mark.slow
@given(st.integers(0, 10_000), st.integers(2, 300))
def test_columns_count_every_row_where_it_stands(seed: int, n_rows: int) -> None:
    random = np.random.default_rng(seed)
    values = random.normal(size=(n_rows, 2))
    data = np.array(random.normal(size=(n_rows, 2)), dtype=object)
    data[0, 0] = "a word"
    whole = explain.Explanation(
        values=values, base_values=np.zeros(n_rows), data=data, feature_names=["a", "b"]
    )
    for swarm in charts.summary.beeswarm(whole, max_dots=1).swarms:
        mine = values[:, ["a", "b"].index(swarm.name)]
        for column in swarm.columns:
            inside = (mine >= column.low) & (mine < column.high) | (mine == column.high) & (
                mine == values.max()
            )
            assert column.n_rows == inside.sum()
        assert sum(column.n_none for column in swarm.columns) == (swarm.name == "a")


@pytest.mark.slow
def test_pictures_have_the_size_that_was_asked_for(tmp_path: pathlib.Path) -> None:
    chart = charts.waterfall.waterfall(explanation().row(0))
    width, height = (float(one) for one in re.findall(r'(?:width|height)="(\d+)"', chart.to_svg())[:2])
    for scale in (1.0, 2.0):
        drawn = struct.unpack(">II", chart.to_png(scale)[16:24])
        assert drawn == pytest.approx((width * scale, height * scale), abs=1)
    assert chart.to_pdf().startswith(b"%PDF-")
    assert chart.to_png(1.0) == chart.to_png(1.0) != chart.to_png(1.0, theme="dark")
    for ending in ("svg", "png", "pdf", "html", "json"):
        saved = chart.save(tmp_path / f"chart.{ending}")
        assert saved.stat().st_size > 500


def test_what_cannot_be_written_is_said(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chart = charts.waterfall.waterfall(explanation().row(0))
    with pytest.raises(ValueError, match=r"chart.gif.*\.svg"):
        chart.save(tmp_path / "chart.gif")
    with pytest.raises(TypeError, match="colour"):
        chart.to_svg(colour="red")
    with pytest.raises(ValueError, match="'pink'"):
        chart.to_svg(theme="pink")
    with pytest.raises(ValueError, match="scale"):
        chart.to_png(0)
    monkeypatch.setitem(sys.modules, "typst", None)
    with pytest.raises(raster.CannotDraw, match="typst"):
        chart.to_png()
    assert chart.to_svg().startswith("<svg")


def test_contributions_that_are_no_numbers_are_refused_by_row_and_feature() -> None:
    whole = explanation()
    whole.values[3, 1] = np.nan
    for ask in (
        charts.summary.bar,
        charts.summary.beeswarm,
        charts.decision.decision,
        lambda some: charts.dependence.dependence(some, "f1"),
        lambda some: charts.cohorts.cohorts({"a": some}),
    ):
        with pytest.raises(ValueError, match=r"'f1' in row 3 is nan"):
            ask(whole)
    for draw in (charts.summary.bar, charts.summary.beeswarm, charts.decision.decision):
        with pytest.raises(ValueError, match="max_features is 0"):
            draw(explanation(), max_features=0)


def test_the_features_that_are_not_shown_stand_together_in_every_chart() -> None:
    whole = explanation(9, 40)
    rest = 40 - 5
    matrix = np.random.default_rng(0).normal(size=(40, 40))
    for drawing in (
        charts.waterfall.waterfall(whole.row(0), max_features=5),
        charts.force.force(whole.row(0), max_features=5),
        charts.summary.bar(whole, max_features=5),
        charts.summary.beeswarm(whole, max_features=5),
        charts.decision.decision(whole, max_features=5),
        charts.cohorts.cohorts({"a": whole}, max_features=5),
        charts.counterfactual.side_by_side(whole.row(0), whole.row(0), max_features=5),
        charts.interaction.heat_map(matrix, whole.feature_names, max_features=5),
    ):
        assert f"{rest} other features" in drawing.to_svg()


@pytest.mark.slow
@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3, 4]))))
def test_a_png_holds_its_pixels(pixels: np.ndarray) -> None:
    written = png.written(pixels)
    assert written[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, {}
    while at < len(written):
        (size,) = struct.unpack(">I", written[at : at + 4])
        kind, content = written[at + 4 : at + 8], written[at + 8 : at + 8 + size]
        assert struct.unpack(">I", written[at + 8 + size : at + 12 + size])[0] == zlib.crc32(kind + content)
        chunks[kind] = content
        at += 12 + size
    height, width, n_channels = pixels.shape
    assert struct.unpack(">IIBB", chunks[b"IHDR"][:10]) == (width, height, 8, {1: 0, 3: 2, 4: 6}[n_channels])
    lines = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), dtype=np.uint8).reshape(height, -1)
    assert (lines[:, 0] == 0).all()
    assert lines[:, 1:].tobytes() == pixels.tobytes()


def _imports(path: pathlib.Path) -> set[str]:
    """What a module imports when it runs: what only types need is left out."""
    found: set[str] = set()
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(statement, ast.ImportFrom):
            found |= {f"{statement.module}.{name.name}" for name in statement.names}
        elif isinstance(statement, ast.Import):
            found |= {name.name for name in statement.names}
    return found


def test_renderers_know_no_chart_and_only_the_picture_maker_imports_late() -> None:
    folder = pathlib.Path(charts.__file__).parent
    for path in (folder / "svg").glob("*.py"):
        for name in _imports(path):
            is_below = name.startswith(("glasskit.charts.svg", "glasskit.charts.axes"))
            assert is_below or not name.startswith("glasskit.charts"), (path.name, name)
    late = [
        path.name for path in folder.rglob("*.py") if "import_module(" in path.read_text(encoding="utf-8")
    ]
    assert late == ["raster.py"]


VALUES = st.one_of(
    st.floats(),
    st.text(max_size=20),
    st.sampled_from([None, True, 10**400, -(10**400), NASTY, b"raw"]),
)


@pytest.mark.slow
@settings(max_examples=25)
@given(
    st.data(), st.integers(1, 5), st.integers(1, 4), st.sampled_from(["logistic", "exp", "identity", "step"])
)
def test_whatever_names_and_values_hold_every_file_is_well_formed(
    data: st.DataObject, n_rows: int, n_features: int, link: str
) -> None:
    cells = data.draw(st.lists(VALUES, min_size=n_rows * n_features, max_size=n_rows * n_features))
    table = np.empty(n_rows * n_features, dtype=object)
    table[:] = cells
    names = data.draw(st.lists(st.text(max_size=30), min_size=n_features, max_size=n_features, unique=True))
    sizes = st.floats(-1e200, 1e200)
    values = data.draw(arrays.arrays(np.float64, (n_rows, n_features), elements=sizes))
    whole = explain.Explanation(
        values=values,
        base_values=np.zeros(n_rows),
        data=table.reshape(n_rows, n_features),
        feature_names=names,
        link=link,
    )
    with np.errstate(over="ignore"):
        for chart in (
            charts.waterfall.waterfall(whole.row(0)),
            charts.force.force(whole.row(0)),
            charts.summary.bar(whole),
            charts.summary.beeswarm(whole, max_dots=data.draw(st.sampled_from([0, 9]))),
            charts.dependence.dependence(whole, names[0], max_points=data.draw(st.sampled_from([0, 9]))),
            charts.decision.decision(whole, marked=[0]),
            charts.cohorts.cohorts({names[0]: whole}),
            charts.counterfactual.side_by_side(whole.row(0), whole.row(n_rows - 1)),
        ):
            drawing = chart.to_svg()
            ElementTree.fromstring(drawing)
            assert not re.search(r'="[^"]*\b(nan|inf)\b', re.sub(r' data-name="[^"]*"', "", drawing))
            chart.to_html().encode()
            json.loads(chart.to_json())
