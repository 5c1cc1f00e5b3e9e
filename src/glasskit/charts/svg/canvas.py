"""Drawing primitives: escaped SVG elements with presentation attributes only (a strict CSP allows them).

Marks, keys and rows carry a class and data attributes. A drawing alone makes nothing of them; the
script of an interactive page does.
"""

from __future__ import annotations

import hashlib
import html
import re

from glasskit.charts.svg import measure, palette

RAISES = palette.RAISES
LOWERS = palette.LOWERS
INK = palette.INK
FAINT_INK = palette.FAINT_INK
GRID = palette.GRID
BACKGROUND = palette.BACKGROUND
FONT = (
    "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'Noto Sans', 'DejaVu Sans', "
    "'Liberation Sans', sans-serif"
)
TEXT_SIZE = measure.TEXT_SIZE
SMALL_SIZE = measure.SMALL_SIZE
LOWERING = "url(#hatch-lowers)"
"""The fill of what lowers, where only colour would tell it from what raises."""

Attribute = str | float | int
_HATCH_NAMES = re.compile(r'(?<= id=")hatch-|(?<="url\(#)hatch-(?=[a-z0-9-]+\)")')
_FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def escape(text: str) -> str:
    """Text safe inside elements and quoted attributes; characters that XML forbids are replaced."""
    return html.escape(_FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text))


def element(name: str, content: str = "", /, **attributes: Attribute) -> str:
    """`<name ...>content</name>`; attribute values are escaped, content must be already."""
    written = "".join(f' {key.rstrip("_").replace("_", "-")}="{_text(at)}"' for key, at in attributes.items())
    return f"<{name}{written}>{content}</{name}>" if content else f"<{name}{written}/>"


def _text(value: Attribute) -> str:
    return escape(f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value))


def text(content: str, x: float, y: float, /, **attributes: Attribute) -> str:
    """A line of text; any attribute may be given."""
    defaults: dict[str, Attribute] = {"x": x, "y": y, "font_size": TEXT_SIZE, "fill": INK}
    return element("text", escape(content), **defaults | attributes)


def small(content: str, x: float, y: float, /, **attributes: Attribute) -> str:
    """A line of small, faint, centred text."""
    defaults: dict[str, Attribute] = {"text_anchor": "middle", "font_size": SMALL_SIZE, "fill": FAINT_INK}
    return text(content, x, y, **defaults | attributes)


def note(content: str, x: float, y: float, room: float, /, **attributes: Attribute) -> str:
    """Small text cut to the room; the whole is its title."""
    weight = int(attributes.get("font_weight", 400))
    fits = measure.fitted(content, room, SMALL_SIZE, weight=weight)
    drawn = small(fits, x, y, **attributes)
    return drawn if fits == content else group(tooltip(content), drawn)


def caption(content: str, middle: float, y: float, width: float, /) -> str:
    """What an axis shows, centred at `middle` or as near to it as a drawing of this width has room."""
    half = min(measure.text_width(content, SMALL_SIZE, weight=600) / 2 + 6.0, width / 2)
    centre = min(max(middle, half), width - half)
    return note(content, centre, y, width - 12.0, font_weight=600, fill=INK)


def line(x1: float, y1: float, x2: float, y2: float, /, **attributes: Attribute) -> str:
    """A straight line."""
    defaults: dict[str, Attribute] = {"stroke": GRID, "stroke_width": 1}
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, **defaults | attributes)


def box(x: float, y: float, width: float, height: float, /, **attributes: Attribute) -> str:
    """A rectangle."""
    return element("rect", x=x, y=y, width=max(0.0, width), height=max(0.0, height), **attributes)


def tooltip(content: str) -> str:
    """A title element: what browsers show when the pointer rests on its parent."""
    return element("title", escape(content))


def group(*parts: str, **attributes: Attribute) -> str:
    """Elements that belong together."""
    return element("g", "".join(parts), **attributes)


def mark(tip: str, *parts: str, series: str = "") -> str:
    """What stands for a datum: its exact values are its title. series: the key of the legend it belongs to."""
    named: dict[str, Attribute] = {"data_series": series} if series else {}
    return group(tooltip(tip.strip()), *parts, class_="mark", **named)


def key(series: str, *parts: str) -> str:
    """An entry of the legend, which a page can switch off together with its marks."""
    return group(*parts, class_="key", data_series=series)


def row(y: float, name: str, size: float, balance: float, *parts: str) -> str:
    """A row that a page can sort and filter. size: its importance; balance: mean contribution, signed."""
    return group(
        *parts,
        class_="row",
        transform=f"translate(0 {y:g})",
        data_name=name,
        data_size=f"{size:.9g}",
        data_balance=f"{balance:.9g}",
    )


def label(content: str, right: float, middle: float, room: float, /, *, given: str = "") -> str:
    """A name on one or two lines that end at `right`, around the height `middle`; `given` is its value.

    The value stays whole up to 45 % of the room, or to what the name leaves. Cut texts end in an ellipsis, the whole is the title.
    """
    most = max(room * 0.45, room - measure.text_width(content))
    value = measure.fitted(f"\N{NO-BREAK SPACE}= {given}", most, weight=600) if given else ""
    lines = measure.wrapped(content, room - measure.text_width(value, weight=600))
    bold = element("tspan", escape(value), font_weight=600) if value else ""
    whole = f"{content} = {given}" if given else content
    first = middle + 4.5 - measure.LINE / 2 * (len(lines) - 1)
    drawn = [
        element(
            "text",
            escape(line_) + (bold if at == len(lines) - 1 else ""),
            x=right,
            y=first + measure.LINE * at,
            text_anchor="end",
            font_size=TEXT_SIZE,
            fill=INK,
        )
        for at, line_ in enumerate(lines)
    ]
    return group(tooltip(whole), *drawn, class_="label")


def paragraph(content: str, x: float, y: float, width: float, /, *, n_lines: int = 2) -> str:
    """A small faint note, wrapped, from the left."""
    lines = measure.wrapped(content, width, SMALL_SIZE, n_lines=n_lines)
    return group(
        *(small(line_, x, y + at * measure.LINE, text_anchor="start") for at, line_ in enumerate(lines))
    )


def hatch(name: str, colour: str) -> str:
    """A pattern of slanted lines, to be filled with by `url(#hatch-name)`: tells colours apart without colour."""
    stripe = element("path", d="M-1 1L1 -1M0 6L6 0M5 7L7 5", stroke=BACKGROUND, stroke_width=1.4)
    ground = element("rect", width=6, height=6, fill=colour)
    drawn = element(
        "pattern", ground + stripe, id=f"hatch-{name}", width=6, height=6, patternUnits="userSpaceOnUse"
    )
    return element("defs", drawn)


def lowering() -> str:
    """The definition that `LOWERING` needs."""
    return hatch("lowers", LOWERS)


def arrow(start: float, end: float, top: float, height: float, tip: float = 7.0) -> str:
    """The path of a bar from start to end with a pointed end; a short one is all point."""
    tip = min(tip, abs(end - start))
    neck = end - tip if end > start else end + tip
    middle, bottom = top + height / 2, top + height
    return (
        f"M{start:.2f} {top:.2f}L{neck:.2f} {top:.2f}L{end:.2f} {middle:.2f}"
        f"L{neck:.2f} {bottom:.2f}L{start:.2f} {bottom:.2f}Z"
    )


def document(title: str, description: str, body: str, *, width: float, height: float) -> str:
    """A whole accessible SVG document; names inside it are its own, whatever stands beside it on a page."""
    identity = hashlib.sha256((title + description + body).encode("utf-8", "replace")).hexdigest()[:10]
    names = element("title", escape(title), id=f"t{identity}")
    names += element("desc", escape(description), id=f"d{identity}")
    paper = element("rect", x=0, y=0, width=width, height=height, fill=BACKGROUND)
    return element(
        "svg",
        names + paper + _HATCH_NAMES.sub(f"hatch-{identity}-", body),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width:g} {height:g}",
        width=f"{width:g}",
        height=f"{height:g}",
        role="img",
        aria_labelledby=f"t{identity} d{identity}",
        font_family=FONT,
    )


def title_of(drawing: str) -> str:
    """The title of a document, as plain text."""
    start = drawing.index(">", drawing.index("<title")) + 1
    return html.unescape(drawing[start : drawing.index("</title>")])


def size_of(drawing: str) -> tuple[float, float]:
    """(width, height) of a document."""
    start = drawing.index('viewBox="0 0 ') + len('viewBox="0 0 ')
    width, height = drawing[start : drawing.index('"', start)].split()
    return float(width), float(height)
