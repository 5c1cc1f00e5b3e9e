"""Marks a function as the hand-written handler of an operation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from glasshouse.kernel.context import Context

Handler = Callable[[Mapping[str, Any], "Context"], dict[str, Any]]
H = TypeVar("H", bound=Handler)
_MARK = "__glasshouse_operation__"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """An operation that is offered."""

    service: str
    name: str
    handler: Handler


def operation(name: str, *, service: str = "sagemaker") -> Callable[[H], H]:
    """Offers the function as operation `name`. It wins over a derived verb of the same name."""

    def mark(function: H) -> H:
        setattr(function, _MARK, (service, name))
        return function

    return mark


def marked(module: ModuleType) -> Iterator[Operation]:
    """The operations that a module offers."""
    for value in vars(module).values():
        mark = getattr(value, _MARK, None)
        if mark is not None and getattr(value, "__module__", "") == module.__name__:
            yield Operation(service=mark[0], name=mark[1], handler=value)
