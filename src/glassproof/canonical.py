"""One value, one text: the canonical form, version 1, of what the ledger records.

ASCII JSON without white space, keys sorted by code point, floats as their shortest text that reads back the same, integers
and floats told apart. What JSON cannot say is an object with one key: `{"$bytes": base64}`, `{"$float": "nan"}`,
`{"$f64": base64}` for an array of little-endian float64. A key that begins with `$` gets one more.
"""

from __future__ import annotations

import array
import base64
import binascii
import json
import math
import sys
from typing import Any

VERSION = 1
_FLOATS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


class NotCanonical(ValueError):
    """A value that has no canonical form, or a text that is not the canonical form of any value."""


def encode(value: object) -> bytes:
    """The canonical form of None, bool, int, float, str, bytes, lists, dicts with str keys, and float64 arrays.

    A one-dimensional buffer of float64 (array.array("d"), a NumPy array) is an array. Raises NotCanonical.
    """
    try:
        text = json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise NotCanonical(f"no canonical form: {error}") from error
    return text.encode("ascii")


def decode(data: bytes) -> Any:
    """The value of a canonical form; arrays come back as array.array("d"). Raises NotCanonical for any other text."""
    try:
        value = _rich(json.loads(data.decode("ascii"), parse_constant=_refuse, object_pairs_hook=_no_doubles))
    except (ValueError, RecursionError) as error:
        raise NotCanonical(f"not canonical: {error}") from error
    if encode(value) != data:
        raise NotCanonical("not canonical: the same value is written in another way")
    return value


def _plain(value: object) -> object:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"$float": _word(value)}
    if isinstance(value, dict):
        return {_escaped(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, bytes | bytearray):
        return {"$bytes": base64.b64encode(value).decode()}
    return {"$f64": base64.b64encode(_little_endian(value)).decode()}


def _word(value: float) -> str:
    return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"


def _escaped(key: object) -> str:
    if not isinstance(key, str):
        raise NotCanonical(f"no canonical form: the key {key!r} is not a string")
    return f"${key}" if key.startswith("$") else key


def _little_endian(value: object) -> bytes:
    try:
        view = memoryview(value)  # type: ignore[arg-type]  # any buffer; others raise TypeError
    except TypeError as error:
        raise NotCanonical(f"no canonical form: a {type(value).__name__}") from error
    if view.format != "d" or view.ndim != 1:
        raise NotCanonical(f"no canonical form: an array of {view.format!r} with {view.ndim} dimensions")
    numbers = array.array("d", view.tobytes())
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


def _rich(value: Any) -> Any:
    if isinstance(value, list):
        return [_rich(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        ((key, inner),) = value.items()
        if key.startswith("$") and not key.startswith("$$"):
            return _tagged(key, inner)
    return {_unescaped(key): _rich(inner) for key, inner in value.items()}


def _tagged(key: str, inner: object) -> object:
    if not isinstance(inner, str):
        raise NotCanonical(f"{key} does not hold a text")
    if key == "$float" and inner in _FLOATS:
        return _FLOATS[inner]
    if key in ("$bytes", "$f64"):
        try:
            raw = base64.b64decode(inner, validate=True)
        except binascii.Error as error:
            raise NotCanonical(f"{key}: {error}") from error
        return raw if key == "$bytes" else _numbers(raw)
    raise NotCanonical(f"unknown tag {key} {inner!r}")


def _numbers(raw: bytes) -> array.array[float]:
    if len(raw) % 8:
        raise NotCanonical("$f64 does not hold whole float64 numbers")
    numbers = array.array("d", raw)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers


def _unescaped(key: str) -> str:
    if not key.startswith("$"):
        return key
    if not key.startswith("$$"):
        raise NotCanonical(f"the tag {key} stands among other keys")
    return key[1:]


def _refuse(constant: str) -> object:
    raise NotCanonical(f"{constant} is not JSON")


def _no_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotCanonical("a key stands twice in one object")
    return found
