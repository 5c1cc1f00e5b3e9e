"""A key for every person that decisions are about. Destroying it makes the personal fields of all of them unreadable.

A record names a slot; the person's reference is kept as a keyed hash only, beside the key, and goes with it.
"""

from __future__ import annotations

import bisect
import collections
import contextlib
import hashlib
import hmac
import itertools
import secrets
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from glasshouse.kernel.disk import Disk, Output
from glasshouse.kernel.ledger import secret_files, slot_files

SLOTS_A_FILE = 1 << 14
_CACHED = 4096


class Erased(LookupError):
    """The key of this slot was destroyed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectKey:
    slot: int
    cipher: AESGCM


@dataclass(frozen=True, slots=True, eq=False)
class Watch:
    """The slots that were given out since it began."""

    used: set[int] = field(default_factory=set)


class Subjects:
    """The keys of all subjects. Safe for threads; one process at a time may make or destroy keys."""

    def __init__(
        self,
        folder: Path,
        own: secret_files.Secrets,
        disk: Disk,
        *,
        slots_a_file: int = SLOTS_A_FILE,
        is_owner: bool = True,
    ) -> None:
        """is_owner: whether this is the one process that may make and destroy keys; others only read them."""
        if is_owner:
            slot_files.clear(folder, disk)
        self._folder, self._disk, self._slots_a_file = folder, disk, slots_a_file
        self._wrapping = AESGCM(own.derived("subject keys"))
        self._marking = own.derived("subject marks")
        self._lock = threading.RLock()
        self._known: collections.OrderedDict[int, AESGCM] = collections.OrderedDict()
        self._waiting: dict[int, bytes] = {}
        self._lost: set[int] = set()
        self._watches: list[Watch] = []
        self._output: Output | None = None
        self._files = [
            slot_files.SlotFile(folder / name, self._wrapping, disk)
            for name in slot_files.names(folder, disk)
        ]
        self._marks, self._next = self._read_all()

    def key_for(self, subject: str) -> SubjectKey:
        """The key of a person, made if there is none; for "" a key that no other decision shares.

        A new key is durable after the next `sync`, which must come before any record that names it.
        Raises OSError.
        """
        with self._lock:
            mark = self._mark(subject) if subject else slot_files.NO_MARK
            known = self._marks.get(mark)
            key = self._made(mark) if known is None else self.key_of(known)
            for watch in self._watches:
                watch.used.add(key.slot)
            return key

    def key_of(self, slot: int) -> SubjectKey:
        """Raises Erased."""
        with self._lock:
            cipher = self._known.get(slot) or self._read(slot)
            self._remember(slot, cipher)
            return SubjectKey(slot=slot, cipher=cipher)

    def slot_of(self, subject: str) -> int | None:
        """The slot of a person; None when there is none, or it was destroyed."""
        with self._lock:
            return self._marks.get(self._mark(subject))

    def sync(self, slots: Iterable[int] = ()) -> None:
        """Makes every key given out so far durable. Raises OSError, also when one of `slots` was lost before."""
        with self._lock:
            try:
                if self._waiting and self._output is not None:
                    self._output.write(b"".join(self._waiting.values()))
                    self._output.sync()
            except OSError:
                self._give_up()
                raise
            self._waiting.clear()
            if self._lost and not self._lost.isdisjoint(slots):
                raise OSError("the key of a subject could not be written")

    def destroy(self, slot: int) -> None:
        """Destroys the key of a slot, durably. Raises Erased when it was destroyed before."""
        with self._lock:
            self.key_of(slot)
            self._destroy([slot])

    @contextlib.contextmanager
    def watched(self) -> Iterator[Watch]:
        """Notes which slots are given out meanwhile; `destroy_many` leaves those alone."""
        watch = Watch()
        with self._lock:
            self._watches.append(watch)
        try:
            yield watch
        finally:
            with self._lock:
                self._watches.remove(watch)

    def destroy_many(self, slots: Iterable[int], watch: Watch) -> Iterator[list[int]]:
        """Destroys the keys of slots, durably, a file at a time; those of each file that are destroyed now. Raises OSError.

        Slots that were given out since the watch began are left out.
        """
        for _, group in itertools.groupby(sorted(slots), key=self._index):
            with self._lock:
                wanted = [slot for slot in group if slot not in watch.used]
                if there := self._there(wanted):
                    self._destroy(there)
            if wanted:
                yield wanted

    def _destroy(self, slots: Sequence[int]) -> None:
        """All of one file."""
        self.close()
        index, gone = self._index(slots[0]), frozenset(slots)
        self._files[index] = self._files[index].without(gone)
        for slot in gone:
            self._known.pop(slot, None)
        self._marks = {mark: known for mark, known in self._marks.items() if known not in gone}

    def _there(self, slots: Sequence[int]) -> list[int]:
        """Those of one file whose keys are not destroyed."""
        if not slots:
            return []
        self.sync()
        there = {slot.number for slot in self._files[self._index(slots[0])].slots() if not slot.is_destroyed}
        return [slot for slot in slots if slot in there]

    def close(self) -> None:
        """Makes all durable and lets go of the file that is written to; the next key begins another."""
        with self._lock:
            self.sync()
            if self._output is not None:
                self._output.close()
                self._output = None

    def _give_up(self) -> None:
        """After a failed write nobody knows what the file holds: its keys in waiting are lost, another file is begun."""
        self._lost.update(self._waiting)
        self._marks = {mark: slot for mark, slot in self._marks.items() if slot not in self._lost}
        for slot in self._waiting:
            self._known.pop(slot, None)
        self._waiting.clear()
        if self._output is not None:
            self._output.close()
            self._output = None

    def _mark(self, subject: str) -> bytes:
        return hmac.new(self._marking, subject.encode(errors="surrogatepass"), hashlib.sha256).digest()[
            : slot_files.MARK
        ]

    def _made(self, mark: bytes) -> SubjectKey:
        if self._output is None or self._next - self._files[-1].first >= self._slots_a_file:
            self.close()
            made, self._output = slot_files.SlotFile.make(
                self._folder, self._next, self._wrapping, self._disk
            )
            self._files.append(made)
        slot, raw = self._next, secrets.token_bytes(secret_files.SIZE)
        self._waiting[slot] = self._files[-1].entry(slot, mark, raw)
        self._next += 1
        if mark != slot_files.NO_MARK:
            self._marks[mark] = slot
        cipher = AESGCM(raw)
        self._remember(slot, cipher)
        return SubjectKey(slot=slot, cipher=cipher)

    def _remember(self, slot: int, cipher: AESGCM) -> None:
        self._known[slot] = cipher
        self._known.move_to_end(slot)
        if len(self._known) > _CACHED and not self._waiting:
            self._known.popitem(last=False)

    def _read(self, slot: int) -> AESGCM:
        raw = self._files[self._index(slot)].key(slot) if self._files and 0 < slot < self._next else None
        if raw is None:
            raise Erased(f"the key of slot {slot} was destroyed")
        return AESGCM(raw)

    def _index(self, slot: int) -> int:
        return bisect.bisect_right(self._files, slot, key=lambda file: file.first) - 1

    def _read_all(self) -> tuple[dict[bytes, int], int]:
        """What is known of all slots: the marks of persons, and the next free number.

        Slots behind the first of the following file were torn by a crash; no record names them.
        """
        marks, following = {}, 1
        for file, later in itertools.zip_longest(self._files, self._files[1:]):
            following = file.first + 1
            for slot in file.slots():
                if later is not None and slot.number >= later.first:
                    break
                following = slot.number + 1
                if slot.mark != slot_files.NO_MARK and not slot.is_destroyed:
                    marks[slot.mark] = slot.number
        return marks, following
