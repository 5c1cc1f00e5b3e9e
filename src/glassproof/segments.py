"""A segment file: its header, then records, each with its length before and the chain's value after it.

    GLASSLEDGER1\\n | u32 n | header, n bytes | { u32 n | body, n bytes | chain, 32 bytes } ...

Header and bodies are canonical forms (`canonical`); numbers are big-endian. A segment's name is the number of its first
record, sixteen digits, and `.segment`. The header's members: `ledger` (hexadecimal id), `format` 1, `first` (the first
record's number), `previous` (the chain's value it follows, hexadecimal), `previous_size` (how many bytes of the segment
before were whole when this one was begun: what lies behind them was never acknowledged), `created_at` (nanoseconds since
the epoch, UTC), `key` (the public key that seals are signed with, hexadecimal).
"""

from __future__ import annotations

import re
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glassproof import canonical, hashes

MAGIC = b"GLASSLEDGER1\n"
FORMAT = 1
SUFFIX = ".segment"
LARGEST = 64 << 20
"""Bytes that a header or a body may have."""
LARGEST_FILE = 4 << 30
"""Bytes that a segment may have: far more than any that was written."""

_SIZE = struct.Struct(">I")
_NAME = re.compile(r"[0-9]{16}\.segment")
_HEX = re.compile(r"[0-9a-f]{1,128}")


class Unreadable(ValueError):
    """A file that does not begin as a segment does."""


class TooLarge(ValueError):
    """A record that no reader would take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    fields: dict[str, Any]
    start: bytes
    """The chain's value before the first record."""
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A record as it lies in a file. `offset` is where its length begins, `end` is behind its chain value."""

    offset: int
    end: int
    body: bytes
    chain: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Torn:
    """Bytes that are not a whole frame, up to the end of the file."""

    offset: int
    n_bytes: int


def name(first: int) -> str:
    """The file name of the segment whose first record has this number."""
    return f"{first:016d}{SUFFIX}"


def is_name(text: str) -> bool:
    """Whether a segment is called so."""
    return _NAME.fullmatch(text) is not None


def files(folder: Path) -> list[Path]:
    """The segments of a folder, in order. Files that are not called as segments are have no part in it."""
    return sorted(path for path in folder.glob(f"*{SUFFIX}") if is_name(path.name))


def read(path: Path) -> bytes:
    """The bytes of a segment. Raises Unreadable for what no ledger wrote (links, devices, far too large), OSError."""
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode):
        raise Unreadable("it is not a regular file")
    if status.st_size > LARGEST_FILE:
        raise Unreadable(f"it has {status.st_size} bytes, more than any segment has")
    return path.read_bytes()


def header(fields: dict[str, object]) -> bytes:
    """The first bytes of a segment."""
    body = canonical.encode(fields)
    return MAGIC + _SIZE.pack(len(body)) + body


def frame(body: bytes, previous: bytes) -> tuple[bytes, bytes]:
    """A record's bytes and the chain's value after it. Raises TooLarge."""
    if not 0 < len(body) <= LARGEST:
        raise TooLarge(f"a record of {len(body)} bytes; it may have {LARGEST}")
    chain = hashes.link(previous, hashes.leaf(body))
    return _SIZE.pack(len(body)) + body + chain, chain


def read_header(data: bytes) -> Header:
    """Raises Unreadable."""
    begin = len(MAGIC) + _SIZE.size
    if len(data) < begin or not data.startswith(MAGIC):
        raise Unreadable("it does not begin as a segment does")
    (n_bytes,) = _SIZE.unpack_from(data, len(MAGIC))
    body = data[begin : begin + n_bytes]
    if n_bytes > LARGEST or len(body) != n_bytes:
        raise Unreadable("its header is cut off")
    try:
        fields = canonical.decode(body)
        previous = bytes.fromhex(fields["previous"])
        whole = all(_HEX.fullmatch(fields[name]) for name in ("ledger", "key", "previous"))
        whole = whole and len(previous) == hashes.SIZE
        whole = whole and all(type(fields[name]) is int for name in ("first", "previous_size"))
        whole = whole and 1 <= fields["first"] < 10**16 and 0 <= fields["previous_size"] <= LARGEST_FILE
    except (canonical.NotCanonical, KeyError, TypeError, ValueError) as error:
        raise Unreadable(f"its header cannot be read: {error}") from error
    if fields.get("format") != FORMAT or not whole:
        raise Unreadable(f"its header is not of format {FORMAT}")
    return Header(fields=fields, start=hashes.start(previous, body), size_bytes=begin + n_bytes)


def frames(data: bytes, offset: int) -> Iterator[Frame | Torn]:
    """Every frame from `offset` on, and last, if there are more bytes, what is torn. Nothing is checked but lengths."""
    while offset < len(data):
        if len(data) - offset < _SIZE.size:
            yield Torn(offset=offset, n_bytes=len(data) - offset)
            return
        (n_bytes,) = _SIZE.unpack_from(data, offset)
        begin = offset + _SIZE.size
        end = begin + n_bytes + hashes.SIZE
        if n_bytes == 0 or n_bytes > LARGEST or end > len(data):
            yield Torn(offset=offset, n_bytes=len(data) - offset)
            return
        body = data[begin : begin + n_bytes]
        yield Frame(offset=offset, end=end, body=body, chain=data[begin + n_bytes : end])
        offset = end
