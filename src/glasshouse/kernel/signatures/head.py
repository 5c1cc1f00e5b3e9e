"""The head of a request exactly as it came over the wire, which is what the client signed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

_UNTOUCHED = re.compile(r"[!-~]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Method, undecoded path and query, and headers with lower-case names in the order received."""

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]

    @classmethod
    def received(cls, method: str, path: bytes, query: bytes, headers: Iterable[tuple[bytes, bytes]]) -> Self:
        return cls(
            method=method.upper(),
            path=path.decode("latin-1"),
            query=query.decode("latin-1"),
            headers=tuple((name.decode("latin-1").lower(), _text(value)) for name, value in headers),
        )

    @classmethod
    def of_asgi(cls, scope: Mapping[str, Any]) -> Self:
        """The head of an ASGI HTTP scope; the server must fill in raw_path, as uvicorn does."""
        return cls.received(scope["method"], scope["raw_path"], scope["query_string"], scope["headers"])

    def header(self, name: str) -> str | None:
        """The first header of that (lower-case) name."""
        return next((value for found, value in self.headers if found == name), None)

    @property
    def is_plain(self) -> bool:
        """Whether path and query hold only printable ASCII and no fragment, as every client's do."""
        return self.path.startswith("/") and all(
            _UNTOUCHED.fullmatch(part) and "#" not in part for part in (self.path, self.query)
        )

    def parameters(self) -> list[tuple[str, str]]:
        """The query's names and values, still encoded, in the order received."""
        pairs = (part.partition("=") for part in self.query.split("&") if part)
        return [(name, value) for name, _, value in pairs]


def _text(value: bytes) -> str:
    """Clients sign UTF-8 and send it as such or, when it fits, as Latin-1."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")
