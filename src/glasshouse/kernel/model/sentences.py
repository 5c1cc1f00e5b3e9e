"""The sentences in which AWS tells what is wrong with a value."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from glasshouse.kernel.model import rules

MOST_SHOWN = 100
"""Problems spelled out in one message; further ones are only counted."""

_LONGEST_VALUE = 1024


class Problems:
    """Collects broken rules and tells them in one sentence."""

    def __init__(self) -> None:
        self.count = 0
        self._sentences: list[str] = []

    def add(self, at: str, rule: rules.Rule, value: object, constraint: str) -> None:
        """`at` is the path of the member; `constraint` the rule it breaks."""
        self.count += 1
        if self.count <= MOST_SHOWN:
            shown = "" if _is_sensitive(rule) else f" '{_text(value)}'"
            self._sentences.append(f"Value{shown} at '{at}' failed to satisfy constraint: {constraint}")

    def add_missing(self, at: str) -> None:
        self.count += 1
        if self.count <= MOST_SHOWN:
            self._sentences.append(
                f"Value null at '{at}' failed to satisfy constraint: Member must not be null"
            )

    def sentence(self) -> str:
        """All problems in AWS's words."""
        noun = "error" if self.count == 1 else "errors"
        more = self.count - len(self._sentences)
        tail = f"; and {more} more" if more else ""
        return f"{self.count} validation {noun} detected: {'; '.join(self._sentences)}{tail}"


def member(at: str, name: str) -> str:
    """The path of a member: AWS lower-cases the first letter of each name."""
    lowered = name[:1].lower() + name[1:]
    return f"{at}.{lowered}" if at else lowered


def at_most(rule: rules.Rule, bound: float) -> str:
    return f"Member must have {_measure(rule)} less than or equal to {_number(bound)}"


def at_least(rule: rules.Rule, bound: float) -> str:
    return f"Member must have {_measure(rule)} greater than or equal to {_number(bound)}"


def one_of(values: Sequence[str]) -> str:
    return f"Member must satisfy enum value set: [{', '.join(values)}]"


def matching(pattern: str) -> str:
    return f"Member must satisfy regular expression pattern: {pattern}"


def constraints(rule: rules.Rule) -> str:
    """Every constraint of a scalar, as AWS lists them for the items of lists and maps."""
    listed: list[str] = []
    if isinstance(rule, (rules.String, rules.Blob, rules.Number)):
        if math.isfinite(rule.most):
            listed.append(at_most(rule, rule.most))
        if math.isfinite(rule.least) and (rule.least or math.isfinite(rule.most)):
            listed.append(at_least(rule, rule.least))
    if isinstance(rule, rules.String):
        if rule.enum:
            listed.append(one_of(rule.enum))
        if rule.pattern:
            listed.append(matching(rule.pattern))
    return f"[{', '.join(listed)}]"


def _measure(rule: rules.Rule) -> str:
    return "value" if isinstance(rule, rules.Number) else "length"


def _number(bound: float) -> str:
    return str(int(bound)) if bound == int(bound) else str(bound)


def _is_sensitive(rule: rules.Rule) -> bool:
    if isinstance(rule, rules.List):
        return _is_sensitive(rule.item)
    if isinstance(rule, rules.Map):
        return _is_sensitive(rule.key) or _is_sensitive(rule.value)
    return isinstance(rule, (rules.String, rules.Blob, rules.Number)) and rule.sensitive


def _text(value: object) -> str:
    text = _shown(value)
    return text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + "..."


def _shown(value: object, depth: int = 0) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if isinstance(value, (list, tuple)):
        if depth > 1:
            return "[...]"
        return f"[{', '.join(_shown(item, depth + 1) for item in value[:_LONGEST_VALUE])}]"
    if isinstance(value, Mapping):
        if depth:
            return "{...}"
        return f"{{{', '.join(f'{key}={_shown(item, depth + 1)}' for key, item in value.items())}}}"
    return str(value)
