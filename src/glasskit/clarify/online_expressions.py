"""JMESPath, as EnableExplanations and the attributes of an inference configuration are written."""

from __future__ import annotations

import dataclasses
import importlib
from typing import Any


class BadExpression(ValueError):
    """The text is not a JMESPath expression, or it cannot be evaluated on a value."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """A compiled expression. `constant` is (value,) for a literal such as `true`, () for anything else."""

    text: str
    compiled: Any
    constant: tuple[Any, ...] = ()

    def of(self, value: Any) -> Any:
        """What the expression finds in the value; None where there is nothing. Raises BadExpression."""
        try:
            return self.compiled.search(value)
        except ValueError as error:  # the root of jmespath's own errors
            raise BadExpression(
                f"The JMESPath expression {self.text!r} cannot be evaluated on {str(value)[:80]!r}: {_line(error)}"
            ) from error


def compiled(text: str, *, at: str) -> Expression:
    """The expression of a text that stands in the member `at`. Raises BadExpression."""
    jmespath = importlib.import_module("jmespath")  # it has no type hints to import
    try:
        found = jmespath.compile(text)
    except ValueError as error:
        raise BadExpression(
            f"{at} {text!r} is not a JMESPath expression: {_line(error)}. Literals stand in backticks, "
            "for example `true` or [0]>`0.8`"
        ) from error
    literal = found.parsed.get("type") == "literal"
    return Expression(text=text, compiled=found, constant=(found.parsed.get("value"),) if literal else ())


def _line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".:")
