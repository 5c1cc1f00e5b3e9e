"""Conditional requests and ranges, as RFC 9110 and S3 have them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from glasshouse.kernel.catalog import Version
from glasshouse.kernel.objects import faults

_ONE_RANGE = re.compile(r"\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """match, none_match: entity tags as in the header, or "*". Times are seconds since the epoch."""

    match: str = ""
    none_match: str = ""
    modified_since: float | None = None
    unmodified_since: float | None = None


NONE = Conditions()


def check_read(conditions: Conditions, version: Version) -> None:
    """Raises PreconditionFailed or NotModified when the version should not be answered."""
    modified_at = int(version.created_at)
    if conditions.match:
        if not _names(conditions.match, version.etag):
            raise faults.PreconditionFailed("If-Match")
    elif conditions.unmodified_since is not None and modified_at > conditions.unmodified_since:
        raise faults.PreconditionFailed("If-Unmodified-Since")
    if conditions.none_match:
        is_unchanged = _names(conditions.none_match, version.etag)
    else:
        since = conditions.modified_since
        is_unchanged = since is not None and modified_at <= since
    if is_unchanged:
        raise faults.NotModified(headers={"etag": f'"{version.etag}"'})


def check_source(conditions: Conditions, version: Version) -> None:
    """As check_read, for the source of a copy: there is no "not modified"."""
    try:
        check_read(conditions, version)
    except faults.NotModified:
        raise faults.PreconditionFailed("x-amz-copy-source-If-None-Match") from None


def check_write(conditions: Conditions, current: Version | None, *, key: str) -> None:
    """Raises unless the key's current object (None or a delete marker: there is none) may be replaced."""
    there = current is not None and not current.is_delete_marker
    etag = current.etag if current is not None else ""
    if conditions.match:
        if not there:
            raise faults.NoSuchKey(key)
        if not _names(conditions.match, etag):
            raise faults.PreconditionFailed("If-Match")
    if conditions.none_match and there and _names(conditions.none_match, etag):
        raise faults.PreconditionFailed("If-None-Match")


def _names(header: str, etag: str) -> bool:
    tags = (tag.strip().removeprefix("W/").strip('"') for tag in header.split(","))
    return any(tag in ("*", etag) for tag in tags)


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """The bytes in [start, stop)."""

    start: int
    stop: int


def parse_range(header: str, size_bytes: int) -> Range | None:
    """The one range asked for, or None when the header is no byte range and is to be ignored (RFC 9110, 14.2).

    Raises InvalidRange when nothing of it is there, and NotImplementedHere for several ranges at once.
    """
    found = _ONE_RANGE.fullmatch(header)
    if found is None:
        if header.lower().strip().startswith("bytes") and "," in header:
            raise faults.NotImplementedHere("several ranges in one request")
        return None
    first, last = found.groups()
    if not first and not last:
        return None
    if first:
        start, stop = int(first), min(int(last) + 1, size_bytes) if last else size_bytes
        if last and int(last) < start:
            return None
    else:
        start, stop = max(size_bytes - int(last), 0), size_bytes
    if start >= stop:
        raise faults.InvalidRange(headers={"content-range": f"bytes */{size_bytes}"})
    return Range(start=start, stop=stop)
