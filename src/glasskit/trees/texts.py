"""Categories given as texts -> the numbers by which sets know them.

CatBoost stores no category, only the low 32 bits of CityHash64 (version 1.0) of its text; a whole
number is its decimal text. An ensemble that was trained so carries, for each such feature, the hashes
its splits ask for. A text becomes `PLAIN + i` when it has the i-th of n hashes, `PLAIN + n` when it has
none of them. Whole numbers from 0 up to `PLAIN` stand for themselves, other ones are texts: so tables of small
numbers need no translation, and sets stay small.

CityHash: Geoff Pike and Jyrki Alakuijala, "CityHash", 2011.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

PLAIN = 1 << 12
"""Whole numbers below this are categories as they are; the hashes' numbers begin here."""

MOST_HASHES = (1 << 16) - 1

_MASK = (1 << 64) - 1
_LOW = (1 << 32) - 1
_K0, _K1, _K2, _K3 = 0xC3A5C85C97CB3127, 0xB492B66FBE98F273, 0x9AE16A3B2F90404F, 0xC949D7C7509E6557
_MULTIPLIER = 0x9DDFEA08EB382D69


def number(value: str | int, hashes: Sequence[int]) -> int:
    """The category that a text, or a whole number, is to sets made of these hashes."""
    if isinstance(value, int) and 0 <= value < PLAIN:
        return value
    hashed = city_hash(str(value).encode())
    return PLAIN + (hashes.index(hashed) if hashed in hashes else len(hashes))


def are_plain(numbers: npt.NDArray[np.float64]) -> bool:
    """Whether all these numbers are categories as they stand."""
    return bool(np.all((numbers >= 0) & (numbers < PLAIN) & (numbers == np.floor(numbers))))


def city_hash(text: bytes) -> int:
    """The low 32 bits of CityHash64 of a text.

    >>> city_hash(b"red"), city_hash(b"3")
    (3052168893, 593172586)
    """
    size = len(text)
    if size <= 16:
        hashed = _short(text)
    elif size <= 32:
        hashed = _medium(text)
    elif size <= 64:
        hashed = _long(text)
    else:
        hashed = _very_long(text)
    return hashed & _LOW


def plain_numbers(hashes: Sequence[int]) -> dict[int, list[int]]:
    """For every hash the whole numbers below `PLAIN` whose decimal text has it."""
    found: dict[int, list[int]] = {hashed: [] for hashed in hashes}
    for plain, hashed in enumerate(_hashes_of_plain_numbers()):
        if hashed in found:
            found[hashed].append(plain)
    return found


@functools.cache
def _hashes_of_plain_numbers() -> tuple[int, ...]:
    return tuple(city_hash(str(plain).encode()) for plain in range(PLAIN))


def _word(text: bytes, at: int) -> int:
    (value,) = struct.unpack_from("<Q", text, at if at >= 0 else len(text) + at)
    return int(value)


def _half_word(text: bytes, at: int) -> int:
    (value,) = struct.unpack_from("<I", text, at if at >= 0 else len(text) + at)
    return int(value)


def _turned(value: int, by: int) -> int:
    value &= _MASK
    return ((value >> by) | (value << (64 - by))) & _MASK if by else value


def _folded(value: int) -> int:
    value &= _MASK
    return value ^ (value >> 47)


def _pair(u: int, v: int) -> int:
    a = _folded(((u ^ v) & _MASK) * _MULTIPLIER)
    b = _folded(((v ^ a) & _MASK) * _MULTIPLIER)
    return b * _MULTIPLIER & _MASK


def _short(text: bytes) -> int:
    size = len(text)
    if size > 8:
        a, b = _word(text, 0), _word(text, -8)
        return _pair(a, _turned(b + size, size)) ^ b
    if size >= 4:
        return _pair(size + (_half_word(text, 0) << 3), _half_word(text, -4))
    if not size:
        return _K2
    y = text[0] + (text[size >> 1] << 8)
    z = size + (text[-1] << 2)
    return _folded(y * _K2 ^ z * _K3) * _K2 & _MASK


def _medium(text: bytes) -> int:
    a, b, c, d = _word(text, 0) * _K1, _word(text, 8), _word(text, -8) * _K2, _word(text, -16) * _K0
    u = _turned(a - b, 43) + _turned(c, 30) + d
    v = a + _turned(b ^ _K3, 20) - c + len(text)
    return _pair(u & _MASK, v & _MASK)


def _long(text: bytes) -> int:
    a = _word(text, 0) + (len(text) + _word(text, -16)) * _K0
    first, second = _stirred(a, text[8:24], _word(text, 24))
    other, another = _stirred(_word(text, 16) + _word(text, -32), text[-24:-8], _word(text, -8))
    mixed = _folded((first + another) * _K2 + (other + second) * _K0)
    return _folded(mixed * _K0 + second) * _K2 & _MASK


def _stirred(a: int, two_words: bytes, z: int) -> tuple[int, int]:
    b, c = _turned(a + z, 52), _turned(a, 37)
    a += _word(two_words, 0)
    c += _turned(a, 7)
    a += _word(two_words, 8)
    return (a + z) & _MASK, (b + _turned(a, 31) + c) & _MASK


def _very_long(text: bytes) -> int:
    size = len(text)
    x, y, z = _word(text, 0), _word(text, -16) ^ _K1, _word(text, -56) ^ _K0
    v = _seeded(text[-64:-32], size, y)
    w = _seeded(text[-32:], size * _K1, _K0)
    z += _folded(v[1]) * _K1
    x = _turned(z + x, 39) * _K1
    y = _turned(y, 33) * _K1
    for at in range(0, (size - 1) & ~63, 64):
        x = (_turned(x + y + v[0] + _word(text, at + 16), 37) * _K1 ^ w[1]) & _MASK
        y = (_turned(y + v[1] + _word(text, at + 48), 42) * _K1 ^ v[0]) & _MASK
        z = _turned(z ^ w[0], 33)
        v = _seeded(text[at : at + 32], v[1] * _K1, x + w[0])
        w = _seeded(text[at + 32 : at + 64], z + w[1], y)
        x, z = z, x
    left = _pair(v[0], w[0]) + _folded(y) * _K1 + z
    return _pair(left & _MASK, (_pair(v[1], w[1]) + x) & _MASK)


def _seeded(four_words: bytes, a: int, b: int) -> tuple[int, int]:
    first, second, third, last = struct.unpack("<4Q", four_words)
    a += first
    b = _turned(b + a + last, 21)
    c = a
    a += second + third
    b += _turned(a, 44)
    return (a + last) & _MASK, (b + c) & _MASK
