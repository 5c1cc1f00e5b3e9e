"""Writes records in groups: one write and one sync for all that wait; seals them, and has seals anchored.

One thread writes. A segment is only ever appended to by the process that began it; after a start, or after a write that
failed, another is begun, whose header says how much of the one before is whole.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import queue
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from glasshouse.kernel.clock import Clock
from glasshouse.kernel.disk import Disk, Output
from glasshouse.kernel.ledger import secret_files, subjects
from glassproof import anchors, canonical, hashes, seals, segments

log = logging.getLogger(__name__)

SEGMENT_BYTES = 64 << 20
GROUP = 1024
SEAL_EVERY = 4096
SEAL_AFTER_S = 1.0
NANO = 1_000_000_000

Anchor = Callable[[anchors.Anchor], None]
"""Keeps an anchor. Raises OSError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """Where a ledger ends: what the next segment follows."""

    next_seq: int = 1
    chain: bytes = hashes.NOTHING
    size_bytes: int = 0
    unsealed: tuple[bytes, ...] = ()
    """The leaves since the last seal, its own included."""
    n_open: int = 0
    """How many of them are not a seal's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Where a record lies."""

    seq: int
    file: str
    offset: int


@dataclass(slots=True, kw_only=True)
class _Waiting:
    fields: dict[str, Any]
    done: Future[Written] = field(default_factory=Future)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where the next record goes, and the chain's value before it."""

    file: str
    chain: bytes
    size_bytes: int


class Journal:
    """Appends records durably, in order, from any thread. Once its own thread has ended, every record is refused."""

    def __init__(
        self,
        folder: Path,
        *,
        ledger: str,
        end: End,
        own: secret_files.Secrets,
        keys: subjects.Subjects,
        disk: Disk,
        clock: Clock,
        anchor: Anchor,
        seal_after_s: float = SEAL_AFTER_S,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        self._folder, self._ledger, self._own, self._keys = folder, ledger, own, keys
        self._disk, self._clock, self._anchor = disk, clock, anchor
        self._seal_after_s, self._segment_bytes = seal_after_s, segment_bytes
        self._seq, self._unsealed, self._n_open = end.next_seq, list(end.unsealed), end.n_open
        self._linked = self._place = _Place(file="", chain=end.chain, size_bytes=end.size_bytes)
        self._output: Output | None = None
        self._begun = ""
        self._taken: list[_Waiting] = []
        self._not_anchored: anchors.Anchor | None = None
        self._ended = threading.Event()
        self._sealed_at = clock.monotonic()
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def append(self, fields: dict[str, Any]) -> Future[Written]:
        """Done once the record is durable; fails with OSError when it cannot be made so."""
        waiting = _Waiting(fields=fields)
        self._queue.put(waiting)
        if self._ended.is_set():
            self._refuse()
        return waiting.done

    def close(self) -> None:
        """Writes and seals what waits, and ends."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def _run(self) -> None:
        try:
            self._work()
        except (
            Exception
        ) as error:  # whatever it is: nobody may wait for ever, and nothing is answered unrecorded
            where = "".join(
                traceback.format_tb(error.__traceback__)
            )  # without its text, which may tell of a person
            log.critical("ledger.ended", extra={"reason": type(error).__name__, "where": where})
        finally:
            self._ended.set()
            self._refuse()

    def _refuse(self) -> None:
        """Fails all that nobody will write any more."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._taken += [one for one in [self._queue.get_nowait()] if one is not None]
        taken, self._taken = self._taken, []
        for waiting in taken:
            if not waiting.done.done():
                waiting.done.set_exception(OSError("its writer has ended; start the server again"))

    def _work(self) -> None:
        goes_on = True
        while goes_on:
            self._taken, goes_on = self._gathered()
            if self._taken:
                self._commit(self._taken)
                self._taken = []
            if self._n_open and (not goes_on or self._is_due()):
                self._seal()
            elif self._not_anchored is not None and (not goes_on or self._is_due()):
                self._sealed_at = self._clock.monotonic()
                self._put_anchor(self._not_anchored)
        if self._output is not None:
            self._output.close()

    def _is_due(self) -> bool:
        waited_s = self._clock.monotonic() - self._sealed_at
        return self._n_open >= SEAL_EVERY or waited_s >= self._seal_after_s

    def _gathered(self) -> tuple[list[_Waiting], bool]:
        """All that waits, up to a group's size; nothing when it is time to seal; False when it is time to end."""
        group: list[_Waiting] = []
        try:
            is_owing = self._n_open or self._not_anchored is not None
            first = self._queue.get(timeout=self._seal_after_s if is_owing else None)
            while first is not None:
                group.append(first)
                if len(group) >= GROUP:
                    return group, True
                first = self._queue.get_nowait()
        except queue.Empty:
            return group, True
        return group, False

    def _commit(self, group: list[_Waiting]) -> None:
        """Makes a group durable, or fails all of it."""
        try:
            self._keys.sync(waiting.fields["slot"] for waiting in group if "slot" in waiting.fields)
            written = self._write([waiting.fields for waiting in group])
        except OSError as error:
            log.error(
                "ledger.failed", extra={"reason": error.strerror or str(error), "n_records": len(group)}
            )
            for waiting in group:
                waiting.done.set_exception(error)
            return
        for waiting, where in zip(group, written, strict=True):
            if isinstance(where, Written):
                waiting.done.set_result(where)
            else:
                waiting.done.set_exception(where)

    def _write(self, group: list[dict[str, Any]]) -> list[Written | ValueError]:
        """Where each lies, or why it cannot be a record. Raises OSError; the segment is then left as it is."""
        output, place = self._segment()
        chain, size, parts = place.chain, place.size_bytes, []
        leaves: list[bytes] = []
        written: list[Written | ValueError] = []
        for fields in group:
            seq = self._seq + len(leaves)
            try:
                body = canonical.encode({**fields, "seq": seq})
                frame, chain = segments.frame(body, chain)
            except (canonical.NotCanonical, segments.TooLarge) as error:
                written.append(error)
                continue
            written.append(Written(seq=seq, file=place.file, offset=size))
            leaves.append(hashes.leaf(body))
            parts.append(frame)
            size += len(frame)
        try:
            output.write(b"".join(parts))
            output.sync()
        except OSError:
            output.close()
            self._output = None
            raise
        self._seq += len(leaves)
        self._linked = self._place = _Place(file=place.file, chain=chain, size_bytes=size)
        self._unsealed += leaves
        self._n_open += len(leaves)
        return written

    def _segment(self) -> tuple[Output, _Place]:
        """Where to write; begins another segment when there is none or it is full. Raises OSError."""
        if self._output is not None and self._place.size_bytes < self._segment_bytes:
            return self._output, self._place
        if self._output is not None:
            self._output.close()
            self._output = None
        name = segments.name(self._seq)
        self._make_way(name)
        header = self._header()
        self._begun = name
        secret_files.write_whole(self._folder / name, header, self._disk)
        self._output = self._disk.extend(self._folder / name)
        read = segments.read_header(header)
        self._place = _Place(file=name, chain=read.start, size_bytes=read.size_bytes)
        return self._output, self._place

    def _make_way(self, name: str) -> None:
        """A segment was begun here before and no record of it acknowledged. What another process wrote is kept aside."""
        names = self._disk.names(self._folder)
        if name not in names:
            return
        if name == self._begun:
            self._disk.remove(self._folder / name)
            return
        aside = next(way for i in itertools.count() if (way := f"{name}.torn-{i}") not in names)
        self._disk.rename(self._folder / name, self._folder / aside)
        log.warning("ledger.set_aside", extra={"file": aside})

    def _header(self) -> bytes:
        return segments.header(
            {
                "ledger": self._ledger,
                "format": segments.FORMAT,
                "first": self._seq,
                "previous": self._linked.chain.hex(),
                "previous_size": self._linked.size_bytes,
                "created_at": round(self._clock.now() * NANO),
                "key": self._own.public_key,
            }
        )

    def _seal(self) -> None:
        """Signs what was written since the last seal. What cannot be sealed now is tried again later."""
        self._sealed_at = self._clock.monotonic()
        try:
            _, place = self._segment()  # its header is part of the chain that is signed
            (where,) = self._write([self._signed(place.chain)])
            assert isinstance(where, Written)
        except OSError as error:
            log.error("ledger.not_sealed", extra={"reason": error.strerror or str(error)})
            return
        self._unsealed, self._n_open = self._unsealed[-1:], 0
        self._put_anchor(
            anchors.Anchor(
                ledger=self._ledger,
                key=self._own.public_key,
                seq=where.seq,
                chain=self._linked.chain.hex(),
                at=round(self._clock.now() * NANO),
            )
        )

    def _signed(self, chain: bytes) -> dict[str, Any]:
        seal: dict[str, Any] = {
            "kind": seals.KIND,
            "ledger": self._ledger,
            "first": self._seq - len(self._unsealed),
            "last": self._seq - 1,
            "root": hashes.root(self._unsealed).hex(),
            "chain": chain.hex(),
            "at": round(self._clock.now() * NANO),
            "key": self._own.public_key,
        }
        return {**seal, "signature": self._own.signing.sign(seals.message(seal)).hex()}

    def _put_anchor(self, anchor: anchors.Anchor) -> None:
        """What cannot be anchored now is tried again, unless a later seal covers it."""
        try:
            self._anchor(anchor)
            self._not_anchored = None
        except OSError as error:
            self._not_anchored = anchor
            log.error("ledger.not_anchored", extra={"reason": error.strerror or str(error)})
