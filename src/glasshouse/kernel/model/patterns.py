"""AWS's patterns are Java regular expressions; this turns them into the `regex` module's.

They differ in four ways that occur in the service models: Java's \\d, \\w and \\s know ASCII only while its \\p{L}
knows all of Unicode; its POSIX classes (\\p{Alnum}) know ASCII only; "." stops at five line ends; and characters
beyond the first plane are written as two surrogates. AWS requires the whole value to match.
"""

from __future__ import annotations

import re

import regex

_ESCAPES = {
    "d": "0-9",
    "D": r"\x00-\x2f\x3a-\U0010ffff",
    "w": "a-zA-Z0-9_",
    "W": r"\x00-\x2f\x3a-\x40\x5b-\x5e\x60\x7b-\U0010ffff",
    "s": r"\x09-\x0d\x20",
    "S": r"\x00-\x08\x0e-\x1f\x21-\U0010ffff",
}
_POSIX = {"ASCII": r"\x00-\x7f", "Print": r"\x20-\x7e", "Alnum": "a-zA-Z0-9"}
_UNICODE = re.compile(r"[LMNPSZC][a-z]?$")
_ANY = r"[^\n\r\x85\u2028\u2029]"
_ASTRAL = (r"\uD800\uDC00-\uDBFF\uDFFF", r"\U00010000-\U0010ffff")
_PIECE = re.compile(r"\\[pP]\{[^}]*\}|\\u[0-9A-Fa-f]{4}|\\x[0-9A-Fa-f]{2}|\\.|.", re.DOTALL)


class UnreadablePattern(ValueError):
    """A pattern uses a piece of Java that has no translation here; a test lists all that occur."""

    def __init__(self, pattern: str, piece: str) -> None:
        super().__init__(f"cannot read {piece!r} in the pattern {pattern!r}")


def compiled(pattern: str) -> regex.Pattern[str]:
    """The Java pattern as a compiled `regex` pattern, meant for fullmatch. Raises UnreadablePattern."""
    try:
        return regex.compile(translated(pattern), regex.V0)
    except regex.error as exc:
        raise UnreadablePattern(pattern, str(exc)) from exc


def translated(pattern: str) -> str:
    """The Java pattern in the `regex` module's syntax. Raises UnreadablePattern."""
    pieces: list[str] = []
    in_class = False
    for match in _PIECE.finditer(pattern.replace(*_ASTRAL)):
        piece = match.group()
        if in_class and (piece == "[" or (piece == "&" and pieces[-1] == "&")):
            raise UnreadablePattern(pattern, piece)
        if piece == "[":
            in_class = True
        elif piece == "]":
            in_class = False
        pieces.append(_rewritten(piece, in_class=in_class, pattern=pattern))
    return "".join(pieces)


def _rewritten(piece: str, *, in_class: bool, pattern: str) -> str:
    if piece == "." and not in_class:
        return _ANY
    if piece == r"\z":
        return r"\Z"
    if len(piece) == 2 and piece[0] == "\\" and piece[1] in _ESCAPES:
        return _set(_ESCAPES[piece[1]], in_class=in_class)
    if piece.startswith(r"\p{") and piece[3:-1] in _POSIX:
        return _set(_POSIX[piece[3:-1]], in_class=in_class)
    if piece.startswith((r"\p{", r"\P{")) and not _UNICODE.match(piece[3:-1]):
        raise UnreadablePattern(pattern, piece)
    if piece.startswith(r"\u") and 0xD800 <= int(piece[2:], 16) <= 0xDFFF:
        raise UnreadablePattern(pattern, piece)
    return piece


def _set(characters: str, *, in_class: bool) -> str:
    return characters if in_class else f"[{characters}]"
