"""Texts cut into tokens, sentences and paragraphs by rules: no model, no dictionary, the same cut every time.

Offsets count the characters of the text as given (Unicode code points).
"""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections.abc import Iterator
from typing import Literal

from glasskit.explain import texts_languages

Granularity = Literal["token", "sentence", "paragraph"]

_JOINERS = "\u200c\u200d"
_VARIATIONS = ("\ufe00", "\ufe0f")
_SKIN_TONES = ("\U0001f3fb", "\U0001f3ff")
_INSIDE_WORDS = "'’-·"
_INSIDE_NUMBERS = ".,:/"
_STOPS = ".!?…‼⁇⁈⁉؟۔։।॥።"
_WIDE_STOPS = "。！？｡．"
_CLOSERS = "\"'”“’»›)]}」』）】〉》"
_PARAGRAPH = re.compile(r"\n[^\S\n]*\n\s*|\r\n[^\S\n]*\r\n\s*|\u2029\s*")
_UNSPACED = ("CJK ", "HIRAGANA", "KATAKANA", "THAI ", "LAO ", "KHMER ", "MYANMAR ")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A piece of a text: text[start:end]."""

    start: int
    end: int


def segments(text: str, granularity: Granularity = "token", *, language: str = "en") -> tuple[Span, ...]:
    """The pieces of a text in their order, without the white space between them.

    token: a word, a number, a sign; a character each where a script has no spaces between words.
    language: a code or an English name; it decides which stops are abbreviations.

    >>> [(one.start, one.end) for one in segments("Don't pay 3.50!")]
    [(0, 5), (6, 9), (10, 14), (14, 15)]
    >>> len(segments("Dr. Who paid. He did.", "sentence"))
    2
    """
    code = texts_languages.code(language)
    if granularity == "token":
        return tuple(_tokens(text))
    if granularity == "paragraph":
        return tuple(_paragraphs(text))
    if granularity != "sentence":
        raise ValueError(f"the granularity is {granularity!r}, but must be token, sentence or paragraph")
    return tuple(
        sentence for paragraph in _paragraphs(text) for sentence in _sentences(text, paragraph, code)
    )


def _trimmed(text: str, start: int, end: int) -> Iterator[Span]:
    piece = text[start:end]
    start += len(piece) - len(piece.lstrip())
    end -= len(piece) - len(piece.rstrip())
    if end > start:
        yield Span(start=start, end=end)


def _paragraphs(text: str) -> Iterator[Span]:
    start = 0
    for gap in _PARAGRAPH.finditer(text):
        yield from _trimmed(text, start, gap.start())
        start = gap.end()
    yield from _trimmed(text, start, len(text))


# ---- tokens


def _tokens(text: str) -> Iterator[Span]:
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        end = _token_end(text, at)
        yield Span(start=at, end=end)
        at = end


def _token_end(text: str, start: int) -> int:
    end = _cluster_end(text, start)
    if not _is_word(text[start]) or _is_unspaced(text[start]):
        return end
    while end < len(text):
        char = text[end]
        if _is_word(char) and not _is_unspaced(char):
            end = _cluster_end(text, end)
        elif _joins(text, end):
            end += 1
        else:
            break
    return end


def _cluster_end(text: str, start: int) -> int:
    """Where a character with its marks, joiners and variations ends."""
    end = start + 1
    while end < len(text) and (_extends(text[end]) or text[end - 1] == "\u200d"):
        end += 1
    return end


def _extends(char: str) -> bool:
    return (
        unicodedata.category(char) in ("Mn", "Mc", "Me")
        or char in _JOINERS
        or _VARIATIONS[0] <= char <= _VARIATIONS[1]
        or _SKIN_TONES[0] <= char <= _SKIN_TONES[1]
    )


def _is_word(char: str) -> bool:
    return unicodedata.category(char)[0] in "LN" or unicodedata.category(char) in ("Mn", "Mc", "Pc")


def _is_unspaced(char: str) -> bool:
    return ord(char) >= 0xE00 and unicodedata.name(char, "").startswith(_UNSPACED)


def _joins(text: str, at: int) -> bool:
    """Whether a sign stands inside a word or a number."""
    if at + 1 >= len(text):
        return False
    before, char, after = text[at - 1], text[at], text[at + 1]
    if char in _INSIDE_WORDS:
        return _is_word(before) and _is_word(after) and not _is_unspaced(after)
    return char in _INSIDE_NUMBERS and before.isdigit() and after.isdigit()


# ---- sentences


def _sentences(text: str, paragraph: Span, code: str) -> Iterator[Span]:
    start = at = paragraph.start
    while at < paragraph.end:
        if text[at] not in _STOPS and text[at] not in _WIDE_STOPS:
            at += 1
            continue
        end = at + 1
        while end < paragraph.end and text[end] in _STOPS + _WIDE_STOPS + _CLOSERS:
            end += 1
        if _ends_here(text, start, at, end, paragraph.end, code):
            yield from _trimmed(text, start, end)
            start = end
        at = end
    yield from _trimmed(text, start, paragraph.end)


def _ends_here(text: str, start: int, stop: int, end: int, limit: int, code: str) -> bool:
    """Whether the stops text[stop:end] end the sentence that begins at start."""
    if end >= limit or text[stop] in _WIDE_STOPS:
        return True
    if not text[end].isspace():
        return False
    following = text[end:limit].lstrip()[:1]
    if following.islower():
        return False
    if text[stop] != "." or end - stop > 1:
        return True
    word = text[start:stop].split()[-1:] or [""]
    return not _is_abbreviation(word[0].lstrip("(\"'“„«"), code)


def _is_abbreviation(word: str, code: str) -> bool:
    if len(word) == 1 and word.isalpha() and word.isupper():
        return True
    if word.isdigit():
        return code in texts_languages.ORDINALS_WITH_A_STOP and len(word) <= 2
    known = texts_languages.ABBREVIATIONS
    return word.lower() in known.get(code, frozenset()) | (known["en"] if code == "xx" else frozenset())
