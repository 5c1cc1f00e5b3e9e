"""The part of JSONPath that batch transform offers: $, .name, ['a','b'], *, [n], [-1], [1,3], [2:5], [:5], [2:].

A slice ends before its second number, as in JSONPath. Source: SageMaker developer guide, "Associate prediction
results with input records", whose prose calls slices inclusive and whose examples agree with it in one place only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_TOKEN = re.compile(
    r"\.(?P<name>[A-Za-z_][\w-]*)"
    r"|(?P<star>\.\*|\[\*\])"
    r"|\[(?P<keys>\s*'[^']*'(?:\s*,\s*'[^']*')*\s*)\]"
    r"|\[(?P<slice>\s*-?\d*\s*:\s*-?\d*\s*)\]"
    r"|\[(?P<indices>\s*-?\d+(?:\s*,\s*-?\d+)*\s*)\]"
)


class BadPath(ValueError):
    """The path is not one that batch transform knows."""


class NoMatch(ValueError):
    """The record has nothing at the path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    keys: tuple[str, ...] | None = None
    indices: tuple[int, ...] | None = None
    span: slice | None = None
    every: bool = False
    is_list: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """A parsed path. `whole` is $ itself."""

    text: str
    steps: tuple[_Step, ...]

    @property
    def whole(self) -> bool:
        return not self.steps

    @property
    def names_members(self) -> bool:
        """Whether the path asks for members by name, as only objects have them."""
        return any(step.keys is not None for step in self.steps)

    def apply(self, record: Any) -> Any:
        """What the path selects: one value, or a list when it can select several. Raises NoMatch."""
        value = record
        for step in self.steps:
            value = _applied(step, value, self.text)
        return value


def parse(text: str) -> Path:
    """Raises BadPath."""
    if not text.startswith("$"):
        raise BadPath(f"{text!r} must start with $")
    steps: list[_Step] = []
    at = 1
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise BadPath(f"{text!r} cannot be read from position {at}: {text[at:]!r}")
        steps.append(_step(found))
        at = found.end()
    return Path(text=text, steps=tuple(steps))


def _step(found: re.Match[str]) -> _Step:
    if found["name"] is not None:
        return _Step(keys=(found["name"],))
    if found["star"] is not None:
        return _Step(every=True, is_list=True)
    if found["keys"] is not None:
        keys = tuple(re.findall(r"'([^']*)'", found["keys"]))
        return _Step(keys=keys, is_list=len(keys) > 1)
    if found["slice"] is not None:
        start, stop = (int(part) if part.strip() else None for part in found["slice"].split(":"))
        return _Step(span=slice(start, stop), is_list=True)
    indices = tuple(int(part) for part in found["indices"].split(","))
    return _Step(indices=indices, is_list=len(indices) > 1)


def _applied(step: _Step, value: Any, text: str) -> Any:
    try:
        chosen = _chosen(step, value)
    except (KeyError, IndexError, TypeError) as error:
        raise NoMatch(f"the record has nothing at {text}") from error
    return chosen if step.is_list else chosen[0]


def _chosen(step: _Step, value: Any) -> list[Any]:
    if step.keys is not None:
        return [value[key] for key in step.keys]
    if step.every and isinstance(value, dict):
        return list(value.values())
    if not isinstance(value, list):
        raise TypeError
    if step.every:
        return value
    if step.span is not None:
        return value[step.span]
    return [value[index] for index in step.indices or ()]
