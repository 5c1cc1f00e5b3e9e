"""Hyperparameters as data: what each may be, and one reading of them that reports every mistake at once."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

CONTROL_PREFIX = "sagemaker_"
"""Names with this prefix steer the container and are no hyperparameters of the algorithm."""

NUMBER = r"([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)"
"""Finds a number in a log line, as SageMaker's own metric definitions do."""


class Invalid(ValueError):
    """Some hyperparameters are missing, unknown or out of range; the message names each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A hyperparameter. `check` gets the text and says what is wrong with it, or "" when nothing is.

    `removed` tells why the installed library no longer knows it: it is accepted, told of, and left out.
    """

    name: str
    check: Callable[[str], str]
    required: bool = False
    default: str | None = None
    removed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """Hyperparameters after reading: texts as the user wrote them, and remarks for the log."""

    values: Mapping[str, str]
    remarks: tuple[str, ...] = ()

    def integer(self, name: str) -> int | None:
        return None if name not in self.values else int(float(self.values[name]))

    def words(self, name: str) -> list[str]:
        """A comma-separated list, without brackets, quotes and empty words."""
        return words_of(self.values.get(name, ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """All hyperparameters of an algorithm; `aliases` maps other spellings to names."""

    algorithm: str
    parameters: tuple[Parameter, ...]
    aliases: Mapping[str, str] = field(default_factory=dict)
    checks: tuple[Callable[[Mapping[str, str]], list[str]], ...] = ()

    def read(self, raw: Mapping[str, str]) -> Read:
        """Raises Invalid naming everything that is missing, unknown or out of range."""
        known = {parameter.name: parameter for parameter in self.parameters}
        problems, values, remarks = [], {}, []
        for written, text in raw.items():
            if written.startswith(CONTROL_PREFIX):
                continue
            name = self.aliases.get(written, written)
            value = unquoted(text)
            parameter = known.get(name)
            if parameter is None:
                problems.append(f"Extraneous hyperparameter found: {written}")
            elif name in values:
                problems.append(f"Hyperparameter {name} is given twice (as {written} too)")
            elif complaint := parameter.check(value):
                problems.append(f"Hyperparameter {written}: value {value!r} {complaint}")
            elif parameter.removed:
                remarks.append(f"Hyperparameter {written} has no effect: {parameter.removed}")
            else:
                values[name] = value
        missing = [parameter.name for parameter in self.parameters if parameter.required]
        problems += [f"Missing required hyperparameter: {name}" for name in missing if name not in values]
        for parameter in self.parameters:
            if parameter.default is not None:
                values.setdefault(parameter.name, parameter.default)
        problems += [problem for check in self.checks for problem in check(values)] if not problems else []
        if problems:
            raise Invalid(problems)
        return Read(values=values, remarks=tuple(remarks))


def unquoted(text: str) -> str:
    """The text inside when it is a JSON string (SDK version 2 sends those), else the text itself."""
    if len(text) >= 2 and text[0] == text[-1] == '"':
        try:
            return str(json.loads(text))
        except ValueError:
            return text
    return text


def words_of(text: str) -> list[str]:
    """The words of `a,b` or `["a", "b"]`."""
    return [word for piece in text.strip().strip("[]").split(",") if (word := piece.strip().strip("'\""))]


# --- kinds of hyperparameters --------------------------------------------------------------------


def integer(
    name: str,
    low: int | None = None,
    high: int | None = None,
    *,
    required: bool = False,
    default: str | None = None,
    removed: str = "",
) -> Parameter:
    """A whole number in [low, high]."""

    def check(text: str) -> str:
        try:
            value = int(text)
        except ValueError:
            return "is not an integer"
        inside = (low is None or value >= low) and (high is None or value <= high)
        return "" if inside else f"is not in the range {_interval('[', low, high, ']')}"

    return Parameter(name=name, check=check, required=required, default=default, removed=removed)


def real(
    name: str,
    low: float | None = None,
    high: float | None = None,
    *,
    ends: str = "[]",
    default: str | None = None,
    removed: str = "",
) -> Parameter:
    """A number between low and high; `ends` says with brackets which of them belong."""

    def check(text: str) -> str:
        try:
            value = float(text)
        except ValueError:
            return "is not a number"
        above = low is None or (value > low if ends[0] == "(" else value >= low)
        below = high is None or (value < high if ends[1] == ")" else value <= high)
        if above and below and math.isfinite(value):
            return ""
        return f"is not in the range {_interval(ends[0], low, high, ends[1])}"

    return Parameter(name=name, check=check, default=default, removed=removed)


def choice(name: str, *allowed: str, default: str | None = None, removed: str = "") -> Parameter:
    """One of some words."""

    def check(text: str) -> str:
        return "" if text in allowed else f"is not one of {', '.join(allowed)}"

    return Parameter(name=name, check=check, default=default, removed=removed)


def several(name: str, is_allowed: Callable[[str], bool], expected: str) -> Parameter:
    """A comma-separated list of words."""

    def check(text: str) -> str:
        wrong = [word for word in words_of(text) if not is_allowed(word)]
        if not words_of(text):
            return "is empty"
        return f"holds {', '.join(wrong)}; expected {expected}" if wrong else ""

    return Parameter(name=name, check=check)


def literal(name: str, complaint: Callable[[object], str]) -> Parameter:
    """A list or tuple of numbers, written as in Python or JSON."""

    def check(text: str) -> str:
        try:
            value = json.loads(text.strip().replace("(", "[").replace(")", "]").replace(",]", "]"))
        except ValueError:
            return "is not a list of numbers"
        return complaint(value)

    return Parameter(name=name, check=check)


def _interval(left: str, low: float | None, high: float | None, right: str) -> str:
    lower = "(-∞" if low is None else f"{left}{low}"
    upper = "∞)" if high is None else f"{high}{right}"
    return f"{lower}, {upper}"
