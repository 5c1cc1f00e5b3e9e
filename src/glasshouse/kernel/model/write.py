"""Projects an answer onto the service model: one record serves every view of it."""

from __future__ import annotations

import base64
import datetime as dt
import math
from collections.abc import Mapping
from typing import Any

from glasshouse.kernel.model import rules, services

_PAGE_TOKENS = ("NextToken", "nextToken", "Marker")


def write(service: services.Service, operation: str, value: Mapping[str, Any]) -> dict[str, Any]:
    """The answer as JSON values: known members only, timestamps as epoch seconds, blobs as base64 text.

    Answers that come in pages carry their lists even when empty, because clients index them without asking.
    Raises TypeError naming the member when a value is not of the model's type, and KeyError when the service has no
    such operation.
    """
    rule = service.output(operation)
    result = shaped(rule, value)
    if operation.startswith(("List", "Search")) or any(token in rule.members for token in _PAGE_TOKENS):
        for name, member in rule.members.items():
            if isinstance(member, rules.List):
                result.setdefault(name, [])
    return result


def shaped(rule: rules.Structure, value: Mapping[str, Any]) -> dict[str, Any]:
    """Any structure of a model, written as an answer is. Raises TypeError naming the member."""
    return _structure(rule, value, "")


def _structure(rule: rules.Structure, value: Any, at: str) -> dict[str, Any]:
    _expect(value, Mapping, at)
    result: dict[str, Any] = {}
    for name, member in rule.members.items():
        given = value.get(name)
        if given is not None:
            result[name] = _value(member, given, f"{at}.{name}")
    return result


def _value(rule: rules.Rule, value: Any, at: str) -> Any:
    if isinstance(rule, rules.Structure):
        return _structure(rule, value, at)
    if isinstance(rule, rules.List):
        _expect(value, (list, tuple), at)
        return [_value(rule.item, item, at) for item in value]
    if isinstance(rule, rules.Map):
        _expect(value, Mapping, at)
        return {_text(k, at): _value(rule.value, v, f"{at}.{k}") for k, v in value.items() if v is not None}
    if isinstance(rule, rules.Document):
        return value
    return _scalar(rule, value, at)


def _scalar(rule: rules.Scalar, value: Any, at: str) -> Any:
    if isinstance(rule, rules.String):
        return _text(value, at)
    if isinstance(rule, rules.Boolean):
        _expect(value, bool, at)
        return value
    if isinstance(rule, rules.Timestamp):
        return _instant(value, at)
    if isinstance(rule, rules.Number):
        return _number(rule, value, at)
    _expect(value, (bytes, bytearray), at)
    return base64.b64encode(value).decode()


def _text(value: Any, at: str) -> str:
    _expect(value, str, at)
    return str.__str__(value)


def _instant(value: Any, at: str) -> float:
    if isinstance(value, dt.datetime):
        if value.tzinfo is None:
            raise TypeError(f"{at} is a datetime without a time zone")
        return value.timestamp()
    return _finite(value, at)


def _number(rule: rules.Number, value: Any, at: str) -> int | float | str:
    if isinstance(value, bool):
        raise TypeError(f"{at} is not a number but bool")
    _expect(value, int if rule.integral else (int, float), at)
    if rule.integral:
        return int(value)
    if math.isfinite(value):
        return float(value)
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _finite(value: Any, at: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise TypeError(f"{at} is not a timestamp but {type(value).__name__}")
    return float(value)


def _expect(value: Any, kinds: type | tuple[type, ...], at: str) -> None:
    if not isinstance(value, kinds):
        names = kinds.__name__ if isinstance(kinds, type) else " or ".join(k.__name__ for k in kinds)
        raise TypeError(f"{at} is not {names} but {type(value).__name__}")
