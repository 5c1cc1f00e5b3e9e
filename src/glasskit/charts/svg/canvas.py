"""Drawing primitives: escaped SVG elements with presentation attributes only (a strict CSP allows them)."""

from __future__ import annotations

import hashlib
import html

RAISES = "#FF5733"
LOWERS = "#69AE35"
INK = "#1F2933"
FAINT_INK = "#52606D"
GRID = "#E4E7EB"
BACKGROUND = "#FFFFFF"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
TEXT_SIZE = 13.0
SMALL_SIZE = 11.5
_WIDTH_PER_SIZE = 0.62

Attribute = str | float | int


def escape(text: str) -> str:
    """Text safe inside elements and quoted attributes; control characters that XML forbids are replaced."""
    allowed = "".join(char if char >= " " or char in "\t\n" else "\N{REPLACEMENT CHARACTER}" for char in text)
    allowed = allowed.encode("utf-8", "replace").decode("utf-8")
    return html.escape(allowed.replace("\ufffe", "").replace("\uffff", ""))


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


def line(x1: float, y1: float, x2: float, y2: float, /, **attributes: Attribute) -> str:
    """A straight line."""
    defaults: dict[str, Attribute] = {"stroke": GRID, "stroke_width": 1}
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, **defaults | attributes)


def tooltip(content: str) -> str:
    """A title element: what browsers show when the pointer rests on its parent."""
    return element("title", escape(content))


def text_width(content: str, size: float = TEXT_SIZE) -> float:
    """About how wide a text is; fonts differ, so leave room."""
    return len(content) * size * _WIDTH_PER_SIZE


def group(*parts: str, **attributes: Attribute) -> str:
    """Elements that belong together."""
    return element("g", "".join(parts), **attributes)


def shortened(content: str, width: float, size: float = TEXT_SIZE) -> str:
    """The text cut so that it fits the width; the end of a long name says more than its beginning.

    >>> shortened("finance › accounts › checking › balance", 120)
    '…ing › balance'
    """
    fits = max(4, int(width / (size * _WIDTH_PER_SIZE)))
    if len(content) <= fits:
        return content
    return "…" + content[len(content) - fits + 1 :].lstrip(" ›=")


def clipped(content: str, width: float, size: float = TEXT_SIZE) -> str:
    """The text cut at its end so that it fits the width.

    >>> clipped("an answer of many words", 100)
    'an answer o…'
    """
    fits = max(4, int(width / (size * _WIDTH_PER_SIZE)))
    return content if len(content) <= fits else content[: fits - 1] + "…"


def hatch(name: str, colour: str) -> str:
    """A pattern of slanted lines, to be filled with by `url(#name)`: tells two colours apart without colour."""
    stripe = element("path", d="M-1 1L1 -1M0 6L6 0M5 7L7 5", stroke=BACKGROUND, stroke_width=1.4)
    ground = element("rect", width=6, height=6, fill=colour)
    drawn = element("pattern", ground + stripe, id=name, width=6, height=6, patternUnits="userSpaceOnUse")
    return element("defs", drawn)


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
    """A whole accessible SVG document."""
    key = hashlib.sha256((title + description + body).encode("utf-8", "replace")).hexdigest()[:10]
    names = element("title", escape(title), id=f"t{key}") + element("desc", escape(description), id=f"d{key}")
    paper = element("rect", x=0, y=0, width=width, height=height, fill=BACKGROUND)
    return element(
        "svg",
        names + paper + body,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width:g} {height:g}",
        width=f"{width:g}",
        height=f"{height:g}",
        role="img",
        aria_labelledby=f"t{key} d{key}",
        font_family=FONT,
    )
