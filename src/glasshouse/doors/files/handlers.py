"""Finds the handler of each operation by its name, when the door is built."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from glasshouse.doors.files import operations
from glasshouse.doors.files.answers import Answer
from glasshouse.doors.files.buckets import Buckets
from glasshouse.doors.files.listings import Listings
from glasshouse.doors.files.multipart import Multipart
from glasshouse.doors.files.reading import Reading
from glasshouse.doors.files.requests import Request
from glasshouse.doors.files.writing import Writing
from glasshouse.kernel.access import Access
from glasshouse.kernel.objects import Objects, Stored

_WORD = re.compile("(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """An operation's function, by what it is given beside the request: nothing, a document, or stored content.

    before: for content, refuses before it is sent; the algorithm its checksum must have, or nothing.
    """

    on_request: Callable[[Request], Answer]
    on_document: Callable[[Request, bytes], Answer]
    on_content: Callable[[Request, Stored], Answer]
    before: Callable[[Request], str]


def all_of(objects: Objects, region: str, access: Access) -> Mapping[str, Handler]:
    """A handler for every operation. Raises LookupError when one has none, or two."""
    writing = Writing(objects, access)
    groups = (
        Buckets(objects, region),
        Listings(objects),
        Reading(objects),
        writing,
        Multipart(objects, writing),
    )
    return {operation.name: _handler(operation.name, groups) for operation in operations.OPERATIONS}


def _handler(operation: str, groups: tuple[object, ...]) -> Handler:
    name = _WORD.sub("_", operation).lower()
    found = [group for group in groups if hasattr(group, name)]
    if len(found) != 1:
        raise LookupError(f"{operation} has {len(found)} handlers")
    function: Any = getattr(found[0], name)
    before: Any = getattr(found[0], f"before_{name}", None)
    return Handler(on_request=function, on_document=function, on_content=function, before=before)
