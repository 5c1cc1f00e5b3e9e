"""How wide texts are, and texts made to fit: wrapped, or cut at the end.

Nobody knows which font a reader's machine has. The widths are those of DejaVu Sans, the widest of the
usual ones, so what fits here fits everywhere.
"""

from __future__ import annotations

import unicodedata

TEXT_SIZE = 13.0
SMALL_SIZE = 11.5
LINE = 14.5
"""Pixels from one line of a wrapped text to the next."""

_BOLD = 1.13
_WIDTHS = {
    28: "'ijl",
    30: "IJ",
    33: ",./:;\\| ‘’",
    36: "f-",
    41: "()[]tr!›",
    50: '"*_`sz–°',
    57: "?cLFk",
    60: "vxyPTYao",
    64: "eESbdghnpquK0123456789${}",
    70: "AVBRXZCU",
    77: "HNDGOQ&",
    84: "w#+<=>~^M−×→",
    100: "mW@%…—",
}
_WIDTH_OF = {char: hundredths / 100.0 for hundredths, chars in _WIDTHS.items() for char in chars}


def text_width(content: str, size: float = TEXT_SIZE, *, weight: int = 400) -> float:
    """How wide a text is at most, in pixels.

    >>> round(text_width("age", 10.0), 1)
    18.8
    """
    return sum(map(_char_width, content)) * size * (_BOLD if weight > 400 else 1.0)


def _char_width(char: str) -> float:
    known = _WIDTH_OF.get(char)
    if known is not None:
        return known
    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0.0
    return 1.05 if unicodedata.east_asian_width(char) in "WF" else 0.8


def fitted(content: str, width: float, size: float = TEXT_SIZE, *, weight: int = 400) -> str:
    """The text, cut at its end so that it fits the width.

    >>> fitted("an answer of many words", 100)
    'an answer of…'
    """
    if text_width(content, size, weight=weight) <= width:
        return content
    room = width - text_width("…", size, weight=weight)
    kept = 0
    for char in content:
        room -= text_width(char, size, weight=weight)
        if room < 0:
            break
        kept += 1
    return content[: max(1, kept)].rstrip(" ›=") + "…"


def wrapped(content: str, width: float, size: float = TEXT_SIZE, *, n_lines: int = 2) -> list[str]:
    """The text on at most `n_lines` lines, broken at spaces; what is too much is cut at the end.

    >>> wrapped("finance › accounts › checking › balance", 170)
    ['finance › accounts ›', 'checking › balance']
    """
    lines: list[str] = []
    rest = content
    while len(lines) < n_lines - 1 and text_width(rest, size) > width:
        head = _head(rest, width, size)
        if not head:
            break
        lines.append(head.rstrip())
        rest = rest[len(head) :].lstrip()
    return [*lines, fitted(rest, width, size)]


def _head(content: str, width: float, size: float) -> str:
    """The longest beginning that ends at a space and fits; empty if its first word is too long."""
    fits, at = "", content.find(" ")
    while at >= 0 and text_width(content[:at], size) <= width:
        fits = content[: at + 1]
        at = content.find(" ", at + 1)
    return fits
