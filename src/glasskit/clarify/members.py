"""Members of analysis_config.json, read one by one: what is asked for is taken, and what is left over is refused."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from glasskit.clarify import faults

Name = str | int
"""A column by its name, or by its place counted from 0; in JSON datasets a JMESPath expression."""


class Members:
    """One JSON object of the configuration; `at` is its own key, "" for the whole file."""

    def __init__(self, found: object, at: str) -> None:
        if not isinstance(found, Mapping):
            raise faults.BadConfig(at, f"is an object, not {_shown(found)}.")
        self._found: Mapping[str, Any] = found
        self._at = at
        self._asked: list[str] = []

    def key(self, name: str) -> str:
        """The whole key of a member."""
        return f"{self._at}.{name}" if self._at else name

    def has(self, name: str) -> bool:
        """Whether the member is there and not null."""
        self._asked.append(name)
        return self._found.get(name) is not None

    def inner(self, name: str) -> Members:
        return Members(self._found.get(name), self.key(name))

    def text(self, name: str, default: str = "", *, choices: Sequence[str] = ()) -> str:
        if not self.has(name):
            return default
        value = self._found[name]
        if not isinstance(value, str):
            raise self.wrong(name, f"is a text, not {_shown(value)}.")
        if choices and value.lower() not in choices:
            raise self.wrong(name, f"is {value!r}; it can be {', '.join(choices)}.")
        return value.lower() if choices else value

    def boolean(self, name: str, *, default: bool) -> bool:
        if not self.has(name):
            return default
        value = self._found[name]
        if not isinstance(value, bool):
            raise self.wrong(name, f"is true or false, not {_shown(value)}.")
        return value

    def whole(self, name: str, *, least: int = 0) -> int | None:
        """A whole number, None where there is none."""
        if not self.has(name):
            return None
        value = self._found[name]
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise self.wrong(name, f"is a whole number from {least} up, not {_shown(value)}.")
        return value

    def share(self, name: str) -> float | None:
        """A number in 0..1, None where there is none."""
        if not self.has(name):
            return None
        value = self._found[name]
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise self.wrong(name, f"is a number from 0 to 1, not {_shown(value)}.")
        return float(value)

    def name(self, name: str) -> Name | None:
        """A column, None where there is none."""
        return self._named(name, self._found[name]) if self.has(name) else None

    def names(self, name: str) -> tuple[Name, ...]:
        return tuple(self._named(name, value) for value in self.listed(name))

    def texts(self, name: str) -> tuple[str, ...]:
        values = self.listed(name)
        for value in values:
            if not isinstance(value, str):
                raise self.wrong(name, f"is a list of texts, and {_shown(value)} is none.")
        return tuple(values)

    def listed(self, name: str) -> tuple[Any, ...]:
        """A list, empty where there is none."""
        if not self.has(name):
            return ()
        value = self._found[name]
        if not isinstance(value, list):
            raise self.wrong(name, f"is a list, not {_shown(value)}.")
        return tuple(value)

    def raw(self, name: str) -> Any:
        """The value as it stands, None where there is none."""
        return self._found[name] if self.has(name) else None

    def unsupported(self, name: str, reason: str) -> None:
        """Refuses the member if it is there."""
        if self.has(name):
            raise self.wrong(name, f"is not supported: {reason}")

    def done(self) -> None:
        """Refuses what nobody asked for."""
        for name in self._found:
            if name not in self._asked:
                known = sorted(set(self._asked))
                close = difflib.get_close_matches(str(name), known, n=1)
                hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known)}."
                raise self.wrong(str(name), f"is not a key of an analysis; {hint}")

    def wrong(self, name: str, reason: str) -> faults.BadConfig:
        return faults.BadConfig(self.key(name), reason)

    def _named(self, name: str, value: object) -> Name:
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise self.wrong(name, f"names a column by its name or its place, not by {_shown(value)}.")
        return value


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
