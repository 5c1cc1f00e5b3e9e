"""Log groups and streams, as CloudWatch Logs has them, kept as plain files that a job's keeper appends to.

<root>/<account>/<region>/<group>/<stream>.jsonl, a line per event: {"t": milliseconds, "m": text}, and
"i" where the event was ingested at another time. Events of one stream are in the order they arrived.
The last line of a live file may be unfinished; nothing here reads it before its newline is there.
"""

from __future__ import annotations

import base64
import heapq
import itertools
import json
import os
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from glasshouse.kernel import clock as clocks
from glasshouse.kernel import errors, logfiles, logpatterns

Item = TypeVar("Item")

MOST_EVENTS = 10_000
MOST_BYTES = 1 << 20
"""GetLogEvents answers at most this much text at once."""
_TOKEN_DIGITS = 56


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Times are milliseconds since the epoch. `stream` and `id` are filled by what reads several streams."""

    t: int
    message: str
    ingested: int | None = None
    stream: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    name: str
    created: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """`first` and `last` are the times of its events; None while it has none."""

    name: str
    created: int
    first: int | None
    last: int | None
    last_ingested: int | None
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[Item]):
    items: tuple[Item, ...]
    token: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Consecutive events of a stream, oldest first. At either end that end's token no longer changes."""

    events: tuple[Event, ...]
    forward: str
    backward: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Logs:
    """The log groups of one account in one region."""

    root: Path
    account: str
    region: str
    clock: clocks.Clock

    def path_of(self, group: str, stream: str) -> Path:
        """The file whose lines are the stream's events; to append to it makes group and stream exist."""
        return logfiles.stream_path(self._home / logfiles.group_path(group), stream)

    def create_group(self, group: str) -> None:
        """Makes an empty group. Raises errors.AlreadyExists."""
        directory = self._home / logfiles.group_path(group)
        if logfiles.is_group(directory):
            raise _exists("group")
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        logfiles.mark_created(directory, self._now())

    def delete_group(self, group: str) -> None:
        """Removes a group with all its streams. Raises errors.NotFound."""
        directory = self._group(group)
        grave = self._home / f".deleted-{os.urandom(8).hex()}"
        directory.rename(grave)
        shutil.rmtree(grave)

    def create_stream(self, group: str, stream: str) -> None:
        """Makes an empty stream. Raises errors.NotFound for the group, errors.AlreadyExists for the stream."""
        path = logfiles.stream_path(self._group(group), stream)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError as error:
            raise _exists("stream") from error

    def delete_stream(self, group: str, stream: str) -> None:
        """Removes a stream. Raises errors.NotFound."""
        self._stream(group, stream).unlink()

    def put_events(self, group: str, stream: str, events: Sequence[Event]) -> None:
        """Appends events durably. Raises errors.NotFound, or errors.Validation when they are not in order."""
        path = self._stream(group, stream)
        if any(later.t < earlier.t for earlier, later in itertools.pairwise(events)):
            raise invalid("Log events in a single PutLogEvents request must be in chronological order.")
        now = self._now()
        logfiles.append(path, [{"t": event.t, "m": event.message, "i": now} for event in events])

    def groups(self, *, prefix: str = "", limit: int = 50, token: str | None = None) -> Page[Group]:
        """Groups by name."""
        names = sorted(name for name, _ in logfiles.groups_in(self._home) if name.startswith(prefix))
        chosen, more = _cut([(name,) for name in names], limit=limit, token=token, descending=False)
        return Page(items=tuple(self._describe_group(str(key[0])) for key in chosen), token=more)

    def streams(
        self,
        group: str,
        *,
        prefix: str = "",
        by_time: bool = False,
        descending: bool = False,
        limit: int = 50,
        token: str | None = None,
    ) -> Page[Stream]:
        """Streams of a group by name, or by the time of their last event. Raises errors.NotFound."""
        if by_time and prefix:
            raise invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
        found = {
            name: path for name, path in logfiles.streams_in(self._group(group)) if name.startswith(prefix)
        }
        keys: list[tuple[int | str, ...]] = [(name,) for name in found]
        if by_time:
            keys = [(logfiles.last_time(path) or 0, name) for name, path in found.items()]
        chosen, more = _cut(sorted(keys, reverse=descending), limit=limit, token=token, descending=descending)
        return Page(items=tuple(_describe(str(key[-1]), found[str(key[-1])]) for key in chosen), token=more)

    def events(
        self,
        group: str,
        stream: str,
        *,
        start: int | None = None,
        end: int | None = None,
        from_head: bool = False,
        limit: int = MOST_EVENTS,
        token: str | None = None,
    ) -> Window:
        """Events with start <= t < end: the oldest or the newest ones, or those next to a token.

        Raises errors.NotFound, and errors.Validation for a token that is none of this stream's.
        """
        path = self._stream(group, stream)
        forwards, at = _read_token(token) if token else (from_head, None)
        if at is not None and not logfiles.is_boundary(path, at):
            raise invalid("The specified nextToken is invalid.")
        wanted = _within(start, None if end is None else end - 1)
        if forwards:
            taken, low, high = _take(logfiles.forwards(path, at or 0), wanted, limit, at or 0)
        else:
            last = logfiles.end_of(path)
            place = last if at is None else min(at, last)
            taken, high, low = _take(logfiles.backwards(path, place), wanted, limit, place)
            taken.reverse()
        return Window(events=tuple(taken), forward=_token("f", high), backward=_token("b", low))

    def filter(
        self,
        group: str,
        *,
        streams: Sequence[str] = (),
        prefix: str = "",
        start: int | None = None,
        end: int | None = None,
        pattern: str = "",
        limit: int = MOST_EVENTS,
        token: str | None = None,
    ) -> Page[Event]:
        """Events of several streams that match a pattern, start <= t <= end, interleaved by time."""
        if streams and prefix:
            raise invalid("logStreamNames and logStreamNamePrefix cannot both be given.")
        if streams:
            paths = {name: self._stream(group, name) for name in streams}
        else:
            paths = {
                name: path
                for name, path in logfiles.streams_in(self._group(group))
                if name.startswith(prefix)
            }
        matches, wanted = logpatterns.compile_pattern(pattern), _within(start, end)
        offsets = _read_offsets(token)
        merged = heapq.merge(
            *(_of_stream(name, path, offsets.get(name, 0)) for name, path in sorted(paths.items())),
            key=lambda pair: (pair[0].t, pair[0].stream),
        )
        found: list[Event] = []
        for event, after in merged:
            if len(found) == limit:
                return Page(items=tuple(found), token=_pack(offsets))
            offsets[event.stream] = after
            if wanted(event.t) and matches(event.message):
                found.append(event)
        return Page(items=tuple(found), token=None)

    @property
    def _home(self) -> Path:
        return self.root / self.account / self.region

    def _now(self) -> int:
        return int(self.clock.now() * 1000)

    def _group(self, group: str) -> Path:
        directory = self._home / logfiles.group_path(group)
        if not logfiles.is_group(directory):
            raise not_found("group")
        return directory

    def _stream(self, group: str, stream: str) -> Path:
        path = logfiles.stream_path(self._group(group), stream)
        if not path.is_file():
            raise not_found("stream")
        return path

    def _describe_group(self, name: str) -> Group:
        directory = self._home / logfiles.group_path(name)
        paths = [path for _, path in logfiles.streams_in(directory)]
        created = logfiles.created(directory)
        if created is None:  # a job's first line made the group
            created = min((_describe("", path).created for path in paths), default=self._now())
            logfiles.mark_created(directory, created)
        return Group(name=name, created=created, size_bytes=sum(path.stat().st_size for path in paths))


def not_found(what: str) -> errors.NotFound:
    """The error for a missing "group" or "stream", with CloudWatch's code and text."""
    return errors.NotFound(f"The specified log {what} does not exist.", code="ResourceNotFoundException")


def invalid(message: str) -> errors.Validation:
    return errors.Validation(message, code="InvalidParameterException")


def _exists(what: str) -> errors.AlreadyExists:
    return errors.AlreadyExists(
        f"The specified log {what} already exists", code="ResourceAlreadyExistsException"
    )


def _describe(name: str, path: Path) -> Stream:
    info = path.stat()
    first, last = logfiles.first(path), logfiles.last(path)
    return Stream(
        name=name,
        created=first["t"] if first else int(info.st_mtime * 1000),
        first=first["t"] if first else None,
        last=last["t"] if last else None,
        last_ingested=last.get("i", last["t"]) if last else None,
        size_bytes=info.st_size,
    )


def _within(start: int | None, end: int | None) -> Callable[[int], bool]:
    return lambda t: (start is None or t >= start) and (end is None or t <= end)


def _event(line: Mapping[str, object], *, stream: str = "", id: str = "") -> Event:
    t = int(str(line["t"]))
    return Event(t=t, message=str(line["m"]), ingested=int(str(line.get("i", t))), stream=stream, id=id)


def _take(
    lines: Iterable[tuple[logfiles.Line, int]], wanted: Callable[[int], bool], limit: int, at: int
) -> tuple[list[Event], int, int]:
    """Up to `limit` wanted events; where reading began, and where it came to."""
    taken: list[Event] = []
    began, size = at, 0
    for line, after in lines:
        if wanted(line["t"]):
            size += len(line["m"]) + 26
            if len(taken) == limit or (taken and size > MOST_BYTES):
                break
            taken.append(_event(line))
        at = after
    return taken, began, at


def _of_stream(name: str, path: Path, offset: int) -> Iterator[tuple[Event, int]]:
    tag = zlib.crc32(name.encode())
    place = offset
    for line, after in logfiles.forwards(path, offset):
        yield _event(line, stream=name, id=f"{line['t']:020d}{tag:010d}{place:026d}"), after
        place = after


def _cut(
    keys: Sequence[tuple[int | str, ...]], *, limit: int, token: str | None, descending: bool
) -> tuple[list[tuple[int | str, ...]], str | None]:
    """The page of sorted keys after the token's, and the next token."""
    if token:
        after = tuple(_unpack(token, list))
        try:
            keys = [key for key in keys if (key < after if descending else key > after)]
        except TypeError as error:
            raise invalid("The specified nextToken is invalid.") from error
    page = list(keys[:limit])
    return page, _pack(list(page[-1])) if len(keys) > limit else None


def _token(direction: str, offset: int) -> str:
    return f"{direction}/{offset:0{_TOKEN_DIGITS}d}"


def _read_token(token: str) -> tuple[bool, int]:
    direction, _, digits = token.partition("/")
    if direction not in ("f", "b") or len(digits) != _TOKEN_DIGITS or not digits.isdecimal():
        raise invalid("The specified nextToken is invalid.")
    return direction == "f", int(digits)


def _read_offsets(token: str | None) -> dict[str, int]:
    offsets: dict[str, int] = _unpack(token, dict) if token else {}
    if any(not isinstance(offset, int) or offset < 0 for offset in offsets.values()):
        raise invalid("The specified nextToken is invalid.")
    return offsets


Packed = TypeVar("Packed", bound=Iterable[object])


def _pack(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).decode()


def _unpack(token: str, kind: type[Packed]) -> Packed:
    try:
        value = json.loads(base64.urlsafe_b64decode(token.encode()))
    except ValueError as error:
        raise invalid("The specified nextToken is invalid.") from error
    if not isinstance(value, kind):
        raise invalid("The specified nextToken is invalid.")
    return value
