"""Interactive pages in a real browser: tooltips, keyboard, legend, sorting, filtering, and nothing refused."""

from __future__ import annotations

import json
import os
import pathlib
import select
import shutil
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from glasskit import charts, explain

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]
LONGEST_WAIT_S = 60.0
NASTY = "</text></script><script>window.stolen=1</script><img src=x onerror=window.stolen=1>\"'&"


class Browser:
    """Chromium without a window, spoken to through a pair of pipes (the DevTools protocol)."""

    def __init__(self, folder: pathlib.Path) -> None:
        to_read, self._write = os.pipe()
        self._read, to_write = os.pipe()
        self._left, self._number, self.events = b"", 0, list[dict[str, Any]]()
        command = (
            f"exec {CHROMIUM} --headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage --no-first-run "
            f"--user-data-dir={folder} --remote-debugging-pipe about:blank 3<&{to_read} 4>&{to_write}"
        )
        self._process = subprocess.Popen(
            ["bash", "-c", command],
            pass_fds=(to_read, to_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.ask(f"{domain}.enable")

    _session = ""

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        answer = self._until(lambda one: one.get("id") == self._number)
        assert "error" not in answer, answer
        return answer["result"]

    def _until(self, is_wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        while True:
            while b"\0" in self._left:
                raw, self._left = self._left.split(b"\0", 1)
                message = json.loads(raw)
                if "method" in message:
                    self.events.append(message)
                if is_wanted(message):
                    return message
            ready, _, _ = select.select([self._read], [], [], LONGEST_WAIT_S)
            assert ready, f"the browser has said nothing for {LONGEST_WAIT_S} s"
            part = os.read(self._read, 1 << 16)
            assert part, "the browser has ended"
            self._left += part

    def open(self, page: pathlib.Path) -> None:
        self.events.clear()
        self.ask("Page.navigate", url=page.as_uri())
        if not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self._until(lambda one: one.get("method") == "Page.loadEventFired")

    def value(self, expression: str) -> Any:
        found = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            self.ask("Input.dispatchKeyEvent", type=kind, key=key, code=key)

    def complaints(self) -> list[str]:
        """What the page's policy refused, what failed, what was logged."""
        wrong = ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")
        return [json.dumps(event["params"]) for event in self.events if event["method"] in wrong]

    def close(self) -> None:
        self.ask("Browser.close")
        os.close(self._write)
        os.close(self._read)
        self._process.wait(timeout=20)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    found = Browser(tmp_path_factory.mktemp("chromium"))
    yield found
    found.close()


def explanation(n_rows: int = 60) -> explain.Explanation:
    random = np.random.default_rng(0)
    names = ["amount", "months", "age", "job"]
    return explain.Explanation(
        values=random.normal(size=(n_rows, 4)) * [3, 2, 1, 0.5] + [0, 0.5, -0.5, 0],
        base_values=np.zeros(n_rows),
        data=random.normal(size=(n_rows, 4)),
        feature_names=names,
        labels={"age": NASTY},
        descriptions={"amount": NASTY},
    )


SHOWN = "[...document.querySelectorAll('.row')].filter(row => !row.closest('.off'))"
TIP = "document.querySelector('.tip').hidden ? '' : document.querySelector('.tip').textContent"
Y = "Number(row.getAttribute('transform').match(/ ([0-9.]+)/)[1])"


def test_rows_are_sorted_and_filtered(browser: Browser, tmp_path: pathlib.Path) -> None:
    chart = charts.summary.beeswarm(explanation())
    browser.open(chart.save(tmp_path / "page.html"))
    by_height = f"{SHOWN}.sort((a, b) => (row => {Y})(a) - (row => {Y})(b)).map(row => row.dataset.name)"
    assert browser.value(by_height) == [swarm.label for swarm in chart.swarms]
    set_to = (
        "(() => {{ const c = document.querySelector('{0}'); c.value = '{1}'; "
        "c.dispatchEvent(new Event('input', {{bubbles: true}})); }})()"
    )
    browser.value(set_to.format("select", "raises most"))
    ranked = sorted(chart.swarms, key=lambda swarm: -swarm.mean)
    assert browser.value(by_height) == [swarm.label for swarm in ranked]
    browser.value(set_to.format("input[type=search]", "MONTH"))
    assert browser.value(by_height) == ["months"]
    assert browser.value("document.querySelector('.status').textContent") == "1 of 4 rows shown"
    assert browser.complaints() == []


def test_the_keyboard_goes_from_mark_to_mark_and_tells_exact_values(
    browser: Browser, tmp_path: pathlib.Path
) -> None:
    chart = charts.waterfall.waterfall(explanation().row(3))
    browser.open(chart.save(tmp_path / "page.html"))
    assert browser.value("document.querySelectorAll('svg [tabindex=\"0\"].mark').length") == 1
    browser.value("document.querySelector('svg .mark[tabindex=\"0\"]').focus()")
    told = [browser.value(TIP)]
    for _ in chart.steps[1:]:
        browser.press("ArrowDown")
        told.append(browser.value(TIP))
    for step, text in zip(reversed(chart.steps), told, strict=True):
        assert f"{abs(step.contribution):.10g}" in text
    browser.press("Escape")
    assert browser.value(TIP) == ""
    assert browser.value("document.activeElement.getAttribute('aria-label')") == told[-1]


def test_a_key_of_the_legend_switches_its_marks_off_and_on(browser: Browser, tmp_path: pathlib.Path) -> None:
    browser.open(charts.waterfall.waterfall(explanation().row(3)).save(tmp_path / "page.html"))
    hidden = "document.querySelectorAll('.mark.off').length"
    raising = browser.value("document.querySelectorAll('.mark[data-series=raises]').length")
    browser.value("document.querySelector('.key[data-series=raises]').focus()")
    browser.press("Enter")
    assert browser.value(hidden) == raising > 0
    assert browser.value("document.activeElement.getAttribute('aria-pressed')") == "false"
    browser.press("Enter")
    assert browser.value(hidden) == 0


def test_the_pointer_tells_values_and_the_table_is_sorted(browser: Browser, tmp_path: pathlib.Path) -> None:
    chart = charts.summary.bar(explanation())
    browser.open(chart.save(tmp_path / "page.html"))
    x, y = browser.value(
        "(b => [b.x + b.width / 2, b.y + b.height / 2])(document.querySelector('.mark rect').getBoundingClientRect())"
    )
    browser.ask("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    assert f"{chart.bars[0].mean_absolute:.10g}" in browser.value(TIP)
    numbers = "[...document.querySelectorAll('tbody tr')].map(row => Number(row.cells[1].dataset.number))"
    assert browser.value(numbers) == [bar.mean_absolute for bar in chart.bars]
    browser.value("document.querySelectorAll('thead button')[1].click()")
    assert browser.value(numbers) == sorted(bar.mean_absolute for bar in chart.bars)


def test_the_theme_changes(browser: Browser, tmp_path: pathlib.Path) -> None:
    browser.open(charts.summary.bar(explanation()).save(tmp_path / "page.html", theme="dark"))
    ground = "getComputedStyle(document.querySelector('svg > rect')).fill"
    dark = browser.value(ground)
    browser.value(
        "[...document.querySelectorAll('button')].find(b => b.textContent == 'Light / dark').click()"
    )
    assert dark == "rgb(20, 25, 31)"
    assert browser.value(ground) == "rgb(255, 255, 255)"


def test_charts_on_one_page_do_not_touch_each_other(browser: Browser, tmp_path: pathlib.Path) -> None:
    two = [charts.summary.bar(explanation()), charts.summary.beeswarm(explanation())]
    page = tmp_path / "page.html"
    page.write_text(charts.page.html([one.section() for one in two], title="Both"), encoding="utf-8")
    browser.open(page)
    browser.value(
        "(() => { const c = document.querySelectorAll('input[type=search]')[1]; c.value = 'MONTH'; "
        "c.dispatchEvent(new Event('input', {bubbles: true})); })()"
    )
    shown = "[...document.querySelectorAll('.chart')].map(c => c.querySelectorAll('.row:not(.off)').length)"
    assert browser.value(shown) == [4, 1]
    browser.value("document.querySelectorAll('.chart')[1].querySelector('.row:not(.off) .mark').focus()")
    assert browser.value("[...document.querySelectorAll('.tip')].map(tip => tip.hidden)") == [True, False]
    assert browser.value("[...document.querySelectorAll('h1, h2')].map(h => h.textContent)") == [
        "Both",
        "What matters most",
        "How each value moved the prediction",
    ]
    assert browser.complaints() == []


def heard(browser: Browser) -> list[tuple[str, str, str]]:
    """(role, name, description) of what a screen reader finds."""
    found = browser.ask("Accessibility.getFullAXTree")["nodes"]
    return [
        (
            node["role"]["value"],
            node.get("name", {}).get("value", ""),
            node.get("description", {}).get("value", ""),
        )
        for node in found
        if not node.get("ignored")
    ]


def test_a_screen_reader_finds_the_chart_its_marks_and_its_table(
    browser: Browser, tmp_path: pathlib.Path
) -> None:
    chart = charts.waterfall.waterfall(explanation().row(3))
    browser.open(chart.save(tmp_path / "page.html"))
    browser.value("document.querySelector('details').open = true")
    found = heard(browser)
    (described,) = [
        said for role, name, said in found if role == "group" and name == "From baseline to prediction"
    ]
    assert f"{chart.prediction_text} predicted" in described
    assert len([name for role, name, _ in found if role == "image" and name]) == len(chart.steps)
    assert len([name for role, name, _ in found if role == "rowheader"]) == len(chart.steps)
    assert [name for role, name, _ in found if role == "table"] == [chart.table().caption]
    assert ("button", "raises the prediction", "") in found
    text = charts.texts.highlighted(explain.texts.explain(lambda some: list(map(len, some)), "one two"))
    browser.open(text.save(tmp_path / "text.html"))
    browser.value("document.querySelector('.mark').focus()")
    said = browser.value(
        "document.getElementById(document.activeElement.getAttribute('aria-describedby')).textContent"
    )
    assert said.startswith("one\n+")


def pages() -> dict[str, charts.shown.Shown]:
    whole = explanation()
    one = whole.row(0)
    image = np.random.default_rng(0).integers(0, 255, (24, 30, 3), dtype=np.uint8)
    segmentation = explain.images.Segmentation(num_segments=4)
    return {
        "force": charts.force.force(one),
        "dependence": charts.dependence.dependence(whole, "age"),
        "decision": charts.decision.decision(whole, marked=[1]),
        "cohorts": charts.cohorts.cohorts({NASTY: whole, "b": whole}),
        "counterfactual": charts.counterfactual.side_by_side(one, one),
        "heat_map": charts.interaction.heat_map(np.eye(4), whole.feature_names, labels=whole.labels),
        "text": charts.texts.highlighted(explain.texts.explain(lambda some: list(map(len, some)), NASTY)),
        "image": charts.images.overlay(
            explain.images.explain(lambda some: some.mean(axis=(1, 2, 3)), image, segmentation=segmentation)
        ),
    }


@pytest.mark.parametrize(
    "kind", ["force", "dependence", "decision", "cohorts", "counterfactual", "heat_map", "text", "image"]
)
def test_no_page_breaks_its_own_policy_or_runs_what_a_name_says(
    browser: Browser, tmp_path: pathlib.Path, kind: str
) -> None:
    browser.open(pages()[kind].save(tmp_path / "page.html"))
    browser.value("document.querySelector('.mark[tabindex=\"0\"]').focus()")
    assert browser.value(TIP) != ""
    assert browser.value("window.stolen") is None
    assert browser.value("document.querySelectorAll('img, iframe, link').length") == 0
    assert browser.complaints() == []
