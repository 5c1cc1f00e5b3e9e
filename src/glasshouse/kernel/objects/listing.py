"""Pages of keys, versions and uploads: sorted, rolled up at the delimiter, then cut. No entry twice, none left out."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from glasshouse.kernel.catalog import NULL_VERSION, Catalog, Span, Upload, Version, after_prefix

_AT_ONCE = 1000
_AT_ONCE_ROLLED_UP = 100
"""Rows read together; fewer where one common prefix may stand for most of them."""

_SEQUENCE_DIGITS = 12

Entry = TypeVar("Entry", Version, Upload)
After = str | int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """The entries whose key comes after `after`; with `after_id`, also those of that key that come after that id.

    A marker that is itself a common prefix leaves out all that it stands for.
    """

    delimiter: str = ""
    after: str = ""
    after_id: str = ""
    limit: int = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[Entry]):
    """`next` is the marker (key or common prefix, and id) of the last entry when there are more, else None."""

    entries: tuple[Entry, ...]
    prefixes: tuple[str, ...]
    next: tuple[str, str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Position:
    """Entries from the key `start` on; of that key only those after `after`."""

    start: str
    after: After = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source(Generic[Entry]):
    """Where entries come from. `past` is the position right behind an entry."""

    fetch: Callable[[Span, After, int], list[Entry]]
    past: Callable[[Entry], _Position]
    id_of: Callable[[Entry], str]


def version_id(sequence: int, token: str) -> str:
    """An id that still tells its place in the order when the version is gone."""
    return f"{sequence:0{_SEQUENCE_DIGITS}x}{token}"


def objects(catalog: Catalog, bucket: str, prefix: str, query: Query) -> Page[Version]:
    """Latest versions that are no delete markers."""
    source: _Source[Version] = _Source(
        fetch=lambda span, _after, limit: catalog.objects(span, limit=limit),
        past=lambda entry: _Position(start=_just_after(entry.key)),
        id_of=lambda _entry: "",
    )
    return _page(source, Span(bucket=bucket, prefix=prefix), query, _first(query, prefix, None))


def versions(catalog: Catalog, bucket: str, prefix: str, query: Query) -> Page[Version]:
    """All versions and delete markers, the newest of a key first."""

    def fetch(span: Span, after: After, limit: int) -> list[Version]:
        sequence = after if isinstance(after, int) else None
        return catalog.versions(span, after_sequence=sequence, limit=limit)

    source: _Source[Version] = _Source(
        fetch=fetch,
        past=lambda entry: _Position(start=entry.key, after=entry.sequence),
        id_of=lambda entry: entry.version_id,
    )
    after = _sequence(catalog, bucket, query) if query.after_id else None
    return _page(source, Span(bucket=bucket, prefix=prefix), query, _first(query, prefix, after))


def uploads(catalog: Catalog, bucket: str, prefix: str, query: Query) -> Page[Upload]:
    """Uploads in progress."""
    source: _Source[Upload] = _Source(
        fetch=lambda span, after, limit: catalog.uploads(span, after_id=str(after or ""), limit=limit),
        past=lambda entry: _Position(start=entry.key, after=entry.id),
        id_of=lambda entry: entry.id,
    )
    first = _first(query, prefix, query.after_id or None)
    return _page(source, Span(bucket=bucket, prefix=prefix), query, first)


def _page(source: _Source[Entry], span: Span, query: Query, first: _Position | None) -> Page[Entry]:
    if first is None or query.limit <= 0:
        return Page(entries=(), prefixes=(), next=None)
    found = list(itertools.islice(_rolled_up(source, span, query.delimiter, first), query.limit + 1))
    shown = found[: query.limit]
    last = shown[-1] if len(found) > query.limit else None
    following = None
    if last is not None:
        following = (last, "") if isinstance(last, str) else (last.key, source.id_of(last))
    return Page(
        entries=tuple(entry for entry in shown if not isinstance(entry, str)),
        prefixes=tuple(entry for entry in shown if isinstance(entry, str)),
        next=following,
    )


def _rolled_up(source: _Source[Entry], span: Span, delimiter: str, first: _Position) -> Iterator[Entry | str]:
    """Entries and common prefixes, in order."""
    at_once = _AT_ONCE_ROLLED_UP if delimiter else _AT_ONCE
    position: _Position | None = first
    while position is not None:
        here = Span(bucket=span.bucket, prefix=span.prefix, start=position.start)
        rows = source.fetch(here, position.after, at_once)
        common = ""
        for row in rows:
            if common and row.key.startswith(common):
                continue
            common = _common_prefix(row.key, span.prefix, delimiter)
            yield common or row
        if len(rows) < at_once:
            return
        position = _from(after_prefix(common)) if common else source.past(rows[-1])


def _common_prefix(key: str, prefix: str, delimiter: str) -> str:
    """What the key is rolled up into, or nothing."""
    if not delimiter or not key.startswith(prefix):
        return ""
    end = key.find(delimiter, len(prefix))
    return "" if end < 0 else key[: end + len(delimiter)]


def _first(query: Query, prefix: str, after: After) -> _Position | None:
    if not query.after:
        return _Position(start="")
    if query.after == _common_prefix(query.after, prefix, query.delimiter):
        return _from(after_prefix(query.after))
    if query.after_id:
        return _Position(start=query.after, after=after)
    return _Position(start=_just_after(query.after))


def _from(start: str | None) -> _Position | None:
    return None if start is None else _Position(start=start)


def _just_after(key: str) -> str:
    """The least key that is greater: NUL, which would come before \\x01, is in no key."""
    return key + "\x01"


def _sequence(catalog: Catalog, bucket: str, query: Query) -> int | None:
    """The place of a version that may be gone; None, so that its key is shown from the top, when it cannot be told."""
    if query.after_id == NULL_VERSION:
        found = catalog.version(bucket, query.after, NULL_VERSION)
        return found.sequence if found else None
    try:
        return int(query.after_id[:_SEQUENCE_DIGITS], 16)
    except ValueError:
        return None
