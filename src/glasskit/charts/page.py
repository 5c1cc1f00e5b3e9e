"""Charts as one interactive HTML file: nothing is fetched, nothing is sent, no other script can run."""

from __future__ import annotations

import base64
import dataclasses
import functools
import hashlib
import importlib.resources
from collections.abc import Sequence

from glasskit.charts.svg import palette
from glasskit.charts.svg.canvas import escape

_FOLDER = "glasskit.charts.interactive"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A chart on a page. figure, table: escaped markup; data: JSON; title: plain text."""

    title: str
    figure: str
    table: str
    data: str


def html(
    sections: Sequence[Section],
    *,
    title: str = "",
    theme: palette.Theme = "light",
    nonce: str = "",
    language: str = "en",
) -> str:
    """One page of one or more charts; its title is that of the first, if none is given.

    Without a nonce the page's own policy allows its script and style sheet by their digests. With one,
    they carry it, and the server sends the policy.
    """
    if not sections:
        raise ValueError("a page needs at least one chart")
    carried = f' nonce="{escape(nonce)}"' if nonce else ""
    policy = (
        "" if nonce else f'<meta http-equiv="Content-Security-Policy" content="{escape(policy_of_page())}">\n'
    )
    forced = ' data-theme="dark"' if theme == "dark" else ""
    named = escape(title or sections[0].title)
    level = 2 if title else 1
    heading = f"<h1>{named}</h1>\n" if title else ""
    return (
        f'<!DOCTYPE html>\n<html lang="{escape(language)}"{forced}>\n<head>\n<meta charset="utf-8">\n{policy}'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{named}</title>\n<style{carried}>{sheet()}</style>\n</head>\n<body>\n<main>\n{heading}"
        + "".join(_section(section, carried, level if at == 0 else 2) for at, section in enumerate(sections))
        + f"</main>\n<script{carried}>{script()}</script>\n</body>\n</html>\n"
    )


def _section(section: Section, carried: str, level: int) -> str:
    return (
        f'<section class="chart">\n<h{level}>{escape(section.title)}</h{level}>\n'
        '<div class="tools" hidden><p class="status" role="status"></p></div>\n'
        f'<figure>{section.figure}</figure>\n<div class="tip" role="tooltip" hidden></div>\n'
        f'<details><summary>The data as a table</summary><div class="scroll">{section.table}</div></details>\n'
        f'<script type="application/json" class="data"{carried}>{_inert(section.data)}</script>\n</section>\n'
    )


def policy_of_page() -> str:
    """The Content-Security-Policy under which a page works."""
    return (
        f"default-src 'none'; img-src data:; script-src '{_digest(script())}'; style-src '{_digest(sheet())}'; "
        "base-uri 'none'; form-action 'none'"
    )


@functools.cache
def script() -> str:
    """The script of every page."""
    return _read("page.js")


@functools.cache
def sheet() -> str:
    """The style sheet of every page; drawings in the light theme get the dark one where it is wanted."""
    night = palette.night_sheet('html[data-theme="dark"] svg')
    preferred = palette.night_sheet('html:not([data-theme="light"]) svg')
    return f"{_read('page.css')}{night}\n@media screen and (prefers-color-scheme: dark){{{preferred}}}\n"


def _read(name: str) -> str:
    return importlib.resources.files(_FOLDER).joinpath(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode()


def _inert(data: str) -> str:
    """JSON that cannot end its element."""
    return data.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
