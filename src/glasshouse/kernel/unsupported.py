"""Members that the service model knows and this server does not carry out: refused by name, never ignored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from glasshouse.kernel import errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsupported:
    """`path` is dotted, with [] after a list. A value in `accepts` asks for nothing and is let through."""

    path: str
    why: str = "is not supported by this server"
    accepts: tuple[Any, ...] = ()


def refuse(request: Mapping[str, Any], table: Iterable[Unsupported]) -> None:
    """Raises one errors.Validation that names every member asked for in vain."""
    problems = [
        f"{place} {entry.why}"
        for entry in table
        for place, value in _found(request, entry.path.split("."), "")
        if value not in entry.accepts
    ]
    if problems:
        raise errors.Validation("; ".join(dict.fromkeys(problems)) + ".")


def _found(value: Any, path: list[str], at: str) -> Iterator[tuple[str, Any]]:
    if not path:
        yield at, value
        return
    name = path[0].removesuffix("[]")
    if not isinstance(value, Mapping) or value.get(name) is None:
        return
    place = f"{at}.{name}" if at else name
    inner = value[name]
    if path[0].endswith("[]"):
        for i, item in enumerate(inner):
            yield from _found(item, path[1:], f"{place}[{i}]")
    else:
        yield from _found(inner, path[1:], place)
