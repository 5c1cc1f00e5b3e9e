"""The report stands alone: nothing fetched, nothing run, everything escaped."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import html.parser
import re

import numpy as np

from glasskit import charts, explain

NASTY = "</td><script>alert('x')</script><img src=http://evil.example/x onerror=alert(1)>\"'&"


class Page(html.parser.HTMLParser):
    """Elements and attributes as a browser would see them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def report() -> charts.report.Report:
    names = ["credit__amount", "credit__purpose__new_car", "residence__type__rent"]
    before = explain.Attribution(
        names=names,
        values=[1.2, -0.3, 0.4],
        base_value=-0.8,
        data=[4100, 0, 1],
        descriptions={"credit__amount": "Amount asked for."},
    )
    after = dataclasses.replace(before, values=(-0.2, -0.3, 0.4))
    random = np.random.default_rng(0)
    many = explain.Explanation(
        values=random.normal(size=(9, 3)),
        base_values=np.zeros(9),
        data=random.normal(size=(9, 3)),
        feature_names=names,
    )
    return charts.report.Report(
        title="Application 7",
        attribution=before,
        grouped=explain.grouped.by_level(before),
        fields=explain.grouped.by_field(before, ["credit__amount", "credit__purpose", "residence__type"]),
        facts={"Model": "m-1"},
        axis=charts.Axis(label="Credit Default Risk Score (%)"),
        threshold=0.5,
        counterfactual=charts.report.Counterfactual(
            before=before, after=after, changes={"credit__amount": (4100, 900)}
        ),
        interactions=charts.interaction.heat_map(np.diag([1.2, -0.3, 0.4]), names),
        population=charts.report.Population(
            bar=charts.summary.bar(many), beeswarm=charts.summary.beeswarm(many)
        ),
    )


def test_the_report_holds_every_part_once() -> None:
    text = charts.report.html(report())
    page = Page(text)
    headings = re.findall(r"<h2>(.*?)</h2>", text)
    assert headings == ["Summary", "In detail", "What if", "Interactions", "All values", "The whole group"]
    assert page.tags.count("svg") == 6
    assert text.count("Credit Default Risk Score (%)") == 3


def test_parts_that_are_not_given_are_left_out() -> None:
    bare = charts.report.Report(attribution=report().attribution)
    text = charts.report.html(bare)
    assert re.findall(r"<h2>(.*?)</h2>", text) == ["In detail", "All values"]


def test_the_table_lists_every_feature_strongest_first() -> None:
    text = charts.report.html(report())
    rows = re.findall(r"<code>(.*?)</code>", text)
    assert rows == ["credit__amount", "residence__type__rent", "credit__purpose__new_car"]
    assert "+1.2000" in text
    assert "−0.3000" in text
    assert "Amount asked for." in text


def test_nothing_is_fetched_and_nothing_runs() -> None:
    page = Page(charts.report.html(report()))
    assert not {"script", "link", "img", "iframe", "object", "form"} & set(page.tags)
    names = {name for name, _ in page.attributes}
    assert not {"href", "src", "style", "xlink:href"} & names
    assert not [name for name in names if name.startswith("on")]


def test_the_pages_policy_allows_its_own_style_sheet_and_nothing_else() -> None:
    text = charts.report.html(report())
    sheet = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert sheet is not None
    digest = base64.b64encode(hashlib.sha256(sheet.group(1).encode()).digest()).decode()
    policy = dict(Page(text).attributes)
    assert f"style-src 'sha256-{digest}'" in next(
        value for _, value in Page(text).attributes if "default-src" in value
    )
    assert policy["lang"] == "en"


def test_texts_from_outside_are_shown_and_never_interpreted() -> None:
    nasty = explain.Attribution(
        names=[NASTY],
        values=[1.0],
        base_value=0.0,
        data=[NASTY],
        descriptions={NASTY: NASTY},
        labels={NASTY: NASTY},
    )
    text = charts.report.html(
        charts.report.Report(
            title=NASTY,
            subtitle=NASTY,
            outcome=NASTY,
            attribution=nasty,
            grouped=nasty,
            facts={NASTY: NASTY},
            axis=charts.Axis(label=NASTY, raises=NASTY, lowers=NASTY),
            counterfactual=charts.report.Counterfactual(
                title=NASTY, before=nasty, after=nasty, changes={NASTY: (NASTY, NASTY)}
            ),
            language=NASTY,
        )
    )
    page = Page(text)
    assert not {"script", "img"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on") or name == "src"]
    assert NASTY in "".join(page.texts)


def test_the_same_decision_gives_the_same_bytes() -> None:
    assert charts.report.html(report()) == charts.report.html(report())
