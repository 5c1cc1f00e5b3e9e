"""Splits files into records and groups records into requests, without holding a file in memory."""

from __future__ import annotations

import contextlib
import gzip
import struct
import sys
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

RECORD_IO_MAGIC = 0xCED7230A
_HEADER = struct.Struct("<II")
_LENGTH_MASK = (1 << 29) - 1
_CHUNK = 1 << 20


class BadFile(ValueError):
    """The file is not what its split type says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record; `number` counts from 1 within its file. Of a record above the limit `body` has only the start."""

    number: int
    body: bytes
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Records that travel in one request."""

    records: tuple[Record, ...]


def read(path: Path, *, split: str, compression: str, limit_bytes: int) -> Iterator[Record]:
    """The records of a file in order; empty lines are none. Raises BadFile.

    Holds at most one record and never more than the limit, however long a line or a file is.
    """
    with contextlib.ExitStack() as stack:
        raw = stack.enter_context(path.open("rb"))
        file = stack.enter_context(gzip.GzipFile(fileobj=raw)) if compression == "Gzip" else raw
        pieces = {"Line": _lines, "RecordIO": _record_io}.get(split, _whole)(
            cast(BinaryIO, file), limit_bytes
        )
        try:
            for number, (body, size_bytes) in enumerate(pieces, 1):
                yield Record(number=number, body=body, size_bytes=size_bytes)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise BadFile(f"{path.name} is not gzip: {error}") from error


def grouped(records: Iterable[Record], *, single: bool, limit_bytes: int) -> Iterator[Batch]:
    """One record a request, or as many as fit. A record that is too large comes alone."""
    group: list[Record] = []
    size = 0
    for record in records:
        more = record.size_bytes + (1 if group else 0)
        if group and (single or size + more > limit_bytes):
            yield Batch(records=tuple(group))
            group, size = [], 0
            more = record.size_bytes
        group.append(record)
        size += more
    if group:
        yield Batch(records=tuple(group))


Piece = tuple[bytes, int]
"""What is kept of a record, and how large it is."""


def _lines(file: BinaryIO, limit_bytes: int) -> Iterator[Piece]:
    """Lines without their ends (\\n or \\r\\n)."""
    at_most = min(limit_bytes + 2, sys.maxsize)
    while line := file.readline(at_most):
        size = len(line)
        end = line
        while not end.endswith(b"\n") and (end := file.readline(_CHUNK)):
            size += len(end)
        body = line.rstrip(b"\r\n")
        if size == len(line):
            size = len(body)
        if size:
            yield body[: limit_bytes + 1], size


def _whole(file: BinaryIO, limit_bytes: int) -> Iterator[Piece]:
    body = bytearray()
    size = 0
    while chunk := file.read(_CHUNK):
        size += len(chunk)
        body += chunk[: max(0, limit_bytes + 1 - len(body))]
    if size:
        yield bytes(body), size


def _record_io(file: BinaryIO, limit_bytes: int) -> Iterator[Piece]:
    """Each record with its frame, as a model server reads it."""
    while header := file.read(_HEADER.size):
        if len(header) < _HEADER.size:
            raise BadFile("the file ends within a RecordIO header")
        magic, word = _HEADER.unpack(header)
        if magic != RECORD_IO_MAGIC:
            raise BadFile("the file is not RecordIO: a record does not start with its magic number")
        length = word & _LENGTH_MASK
        padded = (length + 3) // 4 * 4
        body = file.read(padded)
        if len(body) < length:
            raise BadFile("the file ends within a RecordIO record")
        yield header + body, len(header) + len(body)
