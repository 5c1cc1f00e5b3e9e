"""The files behind log groups and streams: their names, and reading them from both ends."""

from __future__ import annotations

import json
import os
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NotRequired, TypedDict

_SUFFIX = ".jsonl"
_MORE = "+"
"""Ends the name of a directory that is only the first part of a name too long for one."""
_PART = 180
_BLOCK = 64 * 1024
_CREATED = ".created"


class Line(TypedDict):
    """One event as it lies in a file."""

    t: int
    m: str
    i: NotRequired[int]


def group_path(group: str) -> Path:
    """A group's directory, below an account's in a region."""
    return Path(*_parts(group))


def stream_path(directory: Path, stream: str) -> Path:
    """A stream's file in its group's directory."""
    *most, last = _parts(stream)
    return directory.joinpath(*most, last + _SUFFIX)


def is_group(directory: Path) -> bool:
    return directory.is_dir() and not directory.name.endswith(_MORE)


def groups_in(home: Path) -> Iterator[tuple[str, Path]]:
    """(name, directory) of every group below a directory."""
    for path, text in _named(home):
        if path.is_dir():
            yield urllib.parse.unquote(text), path


def streams_in(directory: Path) -> Iterator[tuple[str, Path]]:
    """(name, file) of every stream of a group."""
    for path, text in _named(directory):
        if path.suffix == _SUFFIX:
            yield urllib.parse.unquote(text.removesuffix(_SUFFIX)), path


def mark_created(directory: Path, at_ms: int) -> None:
    (directory / _CREATED).write_text(str(at_ms))


def created(directory: Path) -> int | None:
    """When a group was created, if anyone did so expressly."""
    try:
        return int((directory / _CREATED).read_text())
    except FileNotFoundError:
        return None


def append(path: Path, events: Sequence[Mapping[str, object]]) -> None:
    """Adds lines to a stream's file; they are on the disk when it returns."""
    data = b"".join(
        json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n"
        for event in events
    )
    with path.open("ab", buffering=0) as file:
        view = memoryview(data)
        while view:
            view = view[file.write(view) :]
        os.fsync(file.fileno())


def end_of(path: Path) -> int:
    """Where the last finished line ends."""
    size = path.stat().st_size
    with path.open("rb") as file:
        while size:
            start = max(0, size - _BLOCK)
            file.seek(start)
            found = file.read(size - start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            size = start
    return 0


def is_boundary(path: Path, offset: int) -> bool:
    """Whether a line starts at the offset, or the file ends at or before it."""
    with path.open("rb") as file:
        if offset == 0 or file.seek(0, os.SEEK_END) < offset:
            return True
        file.seek(offset - 1)
        return file.read(1) == b"\n"


def forwards(path: Path, offset: int) -> Iterator[tuple[Line, int]]:
    """Finished lines from an offset on, each with the offset after it. No file stays open between lines."""
    rest = b""
    while True:
        with path.open("rb") as file:
            file.seek(offset + len(rest))
            block = file.read(_BLOCK)
        if not block:
            return
        *whole, rest = (rest + block).split(b"\n")
        for text in whole:
            offset += len(text) + 1
            line = _parse(text)
            if line is not None:
                yield line, offset


def backwards(path: Path, end: int) -> Iterator[tuple[Line, int]]:
    """Lines that end at or before an offset, newest first, each with the offset it starts at."""
    rest = b""
    start = end
    with path.open("rb") as file:
        while start:
            size = min(_BLOCK, start)
            file.seek(start - size)
            rest = file.read(size) + rest
            start -= size
            first, *whole = rest.removesuffix(b"\n").split(b"\n")
            for text in reversed(whole):
                end -= len(text) + 1
                line = _parse(text)
                if line is not None:
                    yield line, end
            rest = first + b"\n"
    line = _parse(rest.removesuffix(b"\n"))
    if line is not None:
        yield line, 0


def first(path: Path) -> Line | None:
    """The oldest event."""
    return next((line for line, _ in forwards(path, 0)), None)


def last(path: Path) -> Line | None:
    """The newest event."""
    return next((line for line, _ in backwards(path, end_of(path))), None)


def last_time(path: Path) -> int | None:
    line = last(path)
    return line["t"] if line else None


def _parts(name: str) -> list[str]:
    """A name as path elements that any file system takes and that stand for this name only."""
    text = urllib.parse.quote(name, safe="")
    cut = [text[at : at + _PART] for at in range(0, len(text), _PART)]
    pieces = ["%2E" + piece[1:] if piece.startswith(".") else piece for piece in cut]
    return [piece + _MORE for piece in pieces[:-1]] + pieces[-1:]


def _named(directory: Path, before: str = "") -> Iterator[tuple[Path, str]]:
    """(path, quoted name) of what a directory holds, names too long for one element put together."""
    try:
        entries = list(directory.iterdir())
    except FileNotFoundError:
        return
    for path in entries:
        if path.name.startswith("."):
            continue
        if path.name.endswith(_MORE):
            yield from _named(path, before + path.name.removesuffix(_MORE))
        else:
            yield path, before + path.name


def _parse(text: bytes) -> Line | None:
    """The event, or None for what a crash left of one."""
    try:
        line = json.loads(text)
    except ValueError:
        return None
    if not isinstance(line, dict) or not isinstance(line.get("t"), int) or not isinstance(line.get("m"), str):
        return None
    return Line(t=line["t"], m=line["m"], i=line["i"]) if "i" in line else Line(t=line["t"], m=line["m"])
