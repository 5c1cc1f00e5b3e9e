"""Finds where a ledger ends, after a start: the last whole record, and what no seal covers yet."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from glasshouse.kernel.disk import Disk
from glasshouse.kernel.ledger import journal
from glassproof import canonical, hashes, seals, segments

log = logging.getLogger(__name__)

_ADVICE = "torn by a crash, or damaged: run glasshouse verify, which tells the two apart"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Segment:
    ledger: str
    header: segments.Header
    frames: list[segments.Frame]


def find(folder: Path, disk: Disk) -> tuple[str, journal.End]:
    """The ledger's id, "" when there is none, and its end. Raises segments.Unreadable where a file is damaged.

    Segments are read from the last one back to the one with the last seal, and no further.
    """
    names = sorted(name for name in disk.names(folder) if segments.is_name(name))
    read = _read_back(folder, names, disk)
    frames = [frame for segment in read for frame in segment.frames]
    if not read:
        return "", journal.End()
    last = next((segment for segment in reversed(read) if segment.frames), None)
    if last is None:
        only = read[0].header
        return read[0].ledger, journal.End(
            next_seq=only.fields["first"],
            chain=bytes.fromhex(only.fields["previous"]),
            size_bytes=only.fields["previous_size"],
        )
    open_from = max((i for i, frame in enumerate(frames) if _kind(frame) == seals.KIND), default=0)
    unsealed = frames[open_from:]
    return last.ledger, journal.End(
        next_seq=last.header.fields["first"] + len(last.frames),
        chain=last.frames[-1].chain,
        size_bytes=last.frames[-1].end,
        unsealed=tuple(hashes.leaf(frame.body) for frame in unsealed),
        n_open=sum(_kind(frame) != seals.KIND for frame in unsealed),
    )


def _read_back(folder: Path, names: list[str], disk: Disk) -> list[_Segment]:
    """The last segments, in order, as far back as a seal. A last one whose header was torn is left out."""
    read: list[_Segment] = []
    whole: int | None = None
    for name in reversed(names):
        data = _content(folder / name, disk)
        try:
            header = segments.read_header(data)
        except segments.Unreadable:
            if name == names[-1]:
                continue
            raise
        frames = _whole_frames(data[:whole], header)
        left = len(data[:whole]) - (frames[-1].end if frames else header.size_bytes)
        if left:
            log.warning("ledger.left_behind", extra={"file": name, "n_bytes": left, "advice": _ADVICE})
        read.insert(0, _Segment(ledger=header.fields["ledger"], header=header, frames=frames))
        whole = header.fields["previous_size"]
        if any(_kind(frame) == seals.KIND for frame in frames):
            break
    return read


def _whole_frames(data: bytes, header: segments.Header) -> list[segments.Frame]:
    whole, chain = [], header.start
    for found in segments.frames(data, header.size_bytes):
        if isinstance(found, segments.Torn) or hashes.link(chain, hashes.leaf(found.body)) != found.chain:
            break
        whole.append(found)
        chain = found.chain
    return whole


def _kind(frame: segments.Frame) -> object:
    return canonical.decode(frame.body)["kind"]


def _content(path: Path, disk: Disk) -> bytes:
    file = disk.open(path)
    try:
        return file.read_at(0, 1 << 31)
    finally:
        file.close()
