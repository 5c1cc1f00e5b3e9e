"""Splits files into records and groups records into requests, without holding a file in memory."""

from __future__ import annotations

import contextlib
import gzip
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

RECORD_IO_MAGIC = 0xCED7230A
_HEADER = struct.Struct("<II")
_LENGTH_MASK = (1 << 29) - 1


class BadFile(ValueError):
    """The file is not what its split type says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record; `number` counts from 1 within its file."""

    number: int
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Records that travel in one request."""

    records: tuple[Record, ...]


def read(path: Path, *, split: str, compression: str) -> Iterator[Record]:
    """The records of a file in order; empty lines are none. Raises BadFile."""
    with contextlib.ExitStack() as stack:
        raw = stack.enter_context(path.open("rb"))
        file = stack.enter_context(gzip.GzipFile(fileobj=raw)) if compression == "Gzip" else raw
        bodies = {"Line": _lines, "RecordIO": _record_io}.get(split, _whole)(cast(BinaryIO, file))
        try:
            for number, body in enumerate(bodies, 1):
                yield Record(number=number, body=body)
        except (gzip.BadGzipFile, EOFError) as error:
            raise BadFile(f"{path.name} is not gzip: {error}") from error


def grouped(records: Iterable[Record], *, single: bool, limit_bytes: int) -> Iterator[Batch]:
    """One record a request, or as many as fit. A record that is too large comes alone."""
    group: list[Record] = []
    size = 0
    for record in records:
        more = len(record.body) + 1
        if group and (single or size + more > limit_bytes):
            yield Batch(records=tuple(group))
            group, size = [], 0
        group.append(record)
        size += more
    if group:
        yield Batch(records=tuple(group))


def _lines(file: BinaryIO) -> Iterator[bytes]:
    for line in file:
        body = line.rstrip(b"\r\n")
        if body:
            yield body


def _whole(file: BinaryIO) -> Iterator[bytes]:
    body = file.read()
    if body:
        yield body


def _record_io(file: BinaryIO) -> Iterator[bytes]:
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
        yield header + body
