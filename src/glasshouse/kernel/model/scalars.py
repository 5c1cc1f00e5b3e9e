"""Single values: from the wire to Python, and the constraints they break."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import math
from typing import Any

from glasshouse.kernel.model import rules, sentences, times

_PATTERN_TIMEOUT_S = 0.25
_NOT_FINITE = frozenset({"NaN", "Infinity", "-Infinity"})


class WrongType(Exception):
    """The value is not of the rule's type; the text is the constraint."""


def parsed(rule: rules.Scalar, value: Any) -> Any:
    """The Python value. Raises WrongType."""
    if value is None:
        raise WrongType("Member must not be null")
    if isinstance(rule, rules.String):
        if not isinstance(value, str):
            raise WrongType("Member must be a string")
        return value
    if isinstance(rule, rules.Number):
        return _number(rule, value)
    if isinstance(rule, rules.Boolean):
        if not isinstance(value, bool):
            raise WrongType("Member must be a boolean")
        return value
    if isinstance(rule, rules.Timestamp):
        return _instant(value)
    return _bytes(value)


def broken(rule: rules.Scalar, value: Any, *, patterns: bool) -> list[str]:
    """The constraints that a value of the right type breaks."""
    if isinstance(rule, rules.String):
        return _broken_by_text(rule, value, patterns=patterns)
    if isinstance(rule, rules.Number):
        return _out_of_bounds(rule, value)
    if isinstance(rule, rules.Blob):
        return _out_of_bounds(rule, len(value))
    return []


def _broken_by_text(rule: rules.String, value: str, *, patterns: bool) -> list[str]:
    found = _out_of_bounds(rule, len(value))
    if rule.enum and value not in rule.enum:
        found.append(sentences.one_of(rule.enum))
    if patterns and rule.compiled is not None and not found and not _matches(rule, value):
        found.append(sentences.matching(rule.pattern))
    return found


def _matches(rule: rules.String, value: str) -> bool:
    """A value that takes too long to match does not match: a pattern must not hold the server up."""
    if rule.compiled is None:
        return True
    try:
        return rule.compiled.fullmatch(value, timeout=_PATTERN_TIMEOUT_S) is not None
    except TimeoutError:
        return False


def _out_of_bounds(rule: rules.String | rules.Blob | rules.Number, size: float) -> list[str]:
    if size < rule.least:
        return [sentences.at_least(rule, rule.least)]
    if size > rule.most:
        return [sentences.at_most(rule, rule.most)]
    return []


def _number(rule: rules.Number, value: Any) -> int | float:
    if rule.integral:
        if isinstance(value, bool) or not isinstance(value, int):
            raise WrongType("Member must be an integer")
        return value
    if isinstance(value, str) and value in _NOT_FINITE:
        return float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise WrongType("Member must be a number")
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _instant(value: Any) -> dt.datetime:
    found = times.parse(value)
    if found is None:
        raise WrongType("Member must be a timestamp")
    return found


def _bytes(value: Any) -> bytes:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError, TypeError) as exc:
        raise WrongType("Member must be base64 text") from exc
