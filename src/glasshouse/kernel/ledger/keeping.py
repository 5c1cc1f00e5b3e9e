"""The ledger as the platform uses it: record, read, erase."""

from __future__ import annotations

import collections
import fcntl
import hashlib
import logging
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glasshouse.kernel import disk as disks
from glasshouse.kernel import ids
from glasshouse.kernel.clock import Clock
from glasshouse.kernel.ledger import ending, journal, records, secret_files, slot_files, subjects
from glassproof import canonical, ledgers, seals, segments

log = logging.getLogger(__name__)

_DIGEST = re.compile(r"[0-9a-f]{64}")
LOCK = "lock"
SEGMENTS, KEYS, SUBJECTS, BUNDLES = "segments", "keys", "subjects", "bundles"
"""Folders of a ledger: what is verified, its own keys, the keys of subjects, what decided by its digest."""


class Unusable(Exception):
    """The ledger's files are not what this process can work with; the text says which one, and what to do."""


class LedgerUnavailable(Exception):
    """A record could not be made durable. Nothing that depends on it may be answered."""


class TooLarge(LedgerUnavailable):
    """No record can hold this much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """The record of an erasure."""

    id: str
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """What an expiry destroyed: keys, and how many decisions cannot be read any more. `seq`: the record of the order."""

    n_subjects: int = 0
    n_decisions: int = 0
    seq: int = 0


def bundle(folder: Path, digest: str) -> bytes:
    """What was kept under a digest in the ledger's folder. Raises OSError, and ValueError where it is not that any more."""
    if not digest.isalnum():
        raise ValueError(f"{digest!r} is no digest")
    content = (folder / BUNDLES / digest).read_bytes()
    if hashlib.sha256(content).hexdigest() != digest:
        raise ValueError(f"what was kept as {digest} was changed: it has another digest now")
    return content


class Reader:
    """The ledger in a folder, to read. Any number of processes may, also while another writes."""

    def __init__(self, folder: Path) -> None:
        """Raises DamagedKey where the ledger's keys are missing, OSError."""
        disk = disks.RealDisk()
        self.folder = folder
        own = secret_files.load(folder / KEYS, disk)
        self._keys = subjects.Subjects(folder / SUBJECTS, own, disk, is_owner=False)

    def read(self, where: journal.Written) -> records.Entry:
        """One record. Raises Altered, LookupError when it is not there."""
        with (self.folder / SEGMENTS / where.file).open("rb") as file:
            file.seek(where.offset)
            body = file.read(int.from_bytes(file.read(4), "big"))
        fields = canonical.decode(body)
        if fields["seq"] != where.seq:
            raise LookupError(f"record {where.seq} is not where it should be")
        return records.opened(fields, self._keys)

    def entries(
        self, *, since: int = 1, only: Callable[[Mapping[str, Any]], bool] = lambda _fields: True
    ) -> Iterator[tuple[journal.Written, records.Entry]]:
        """Every record but seals from number `since` on, as far as it was durable when the call began.

        only: chooses by a record's open fields, before its personal ones are read.
        """
        for where, fields in self._walk(since):
            if only(fields):
                yield where, records.opened(fields, self._keys)

    def open_fields(self, *, since: int = 1) -> Iterator[Mapping[str, Any]]:
        """The fields that anyone may verify, of every record but seals from number `since` on."""
        return (fields for _, fields in self._walk(since))

    def _walk(self, since: int) -> Iterator[tuple[journal.Written, dict[str, Any]]]:
        for path, frame in ledgers.walk(self.folder / SEGMENTS, since=since):
            fields: dict[str, Any] = canonical.decode(frame.body)
            if fields["seq"] >= since and fields["kind"] != seals.KIND:
                yield journal.Written(seq=fields["seq"], file=path.name, offset=frame.offset), fields

    def slot_of(self, subject: str) -> int | None:
        """The slot of a person's key; None when no decision is about them, or they were erased."""
        return self._keys.slot_of(subject)


class Ledger(Reader):
    """The ledger in a folder, to write. One process at a time may have it open."""

    def __init__(
        self,
        folder: Path,
        *,
        clock: Clock,
        anchor: Callable[[str], journal.Anchor],
        disk: disks.Disk | None = None,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        """Opens the ledger, or begins one. Raises Unusable.

        anchor: what keeps anchors, for the ledger's id. ended: called when the ledger was closed and nothing more is anchored.
        """
        self._ended = ended
        self._held: int | None = None
        try:
            self._open(folder, clock=clock, anchor=anchor, disk=disk or disks.RealDisk())
        except (
            secret_files.DamagedKey,
            slot_files.Damaged,
            segments.Unreadable,
            canonical.NotCanonical,
        ) as error:
            self._let_go()
            raise Unusable(f"The decision ledger in {folder} cannot be used: {error}") from error
        except OSError as error:
            self._let_go()
            raise Unusable(
                f"The decision ledger in {folder} cannot be opened: {error.strerror or error}"
            ) from error
        self._journal.start()

    def _open(
        self, folder: Path, *, clock: Clock, anchor: Callable[[str], journal.Anchor], disk: disks.Disk
    ) -> None:
        for needed in (folder, folder / KEYS, folder / SUBJECTS, folder / SEGMENTS, folder / BUNDLES):
            secret_files.make_folder(needed, disk)
        self.folder, self._clock, self._disk = folder, clock, disk
        if isinstance(disk, disks.RealDisk):
            self._held = _held(folder)
        own = secret_files.load_or_make(folder / KEYS, disk)
        self._bundles = {name for name in disk.names(folder / BUNDLES) if _DIGEST.fullmatch(name)}
        self._keeping = threading.Lock()
        self._sealing = threading.Lock()  # what is sealed is in the queue before anything sealed later
        self._keys = subjects.Subjects(folder / SUBJECTS, own, disk)
        found, end = ending.find(folder / SEGMENTS, disk)
        self.id = found or own.ledger_id
        self.public_key = own.public_key
        self._journal = journal.Journal(
            folder / SEGMENTS,
            ledger=self.id,
            end=end,
            own=own,
            keys=self._keys,
            disk=disk,
            clock=clock,
            anchor=anchor(self.id),
        )

    def record(self, drafts: Sequence[records.Draft]) -> Future[list[journal.Written]]:
        """Done once all drafts are durable, in this order. It fails with LedgerUnavailable otherwise.

        Every draft of a failed call must be taken as not recorded; some may be in the ledger all the same.
        """
        done: Future[list[journal.Written]] = Future()
        done.set_running_or_notify_cancel()  # who waits may go away; the record is written all the same
        try:
            with self._sealing:
                fields = [records.sealed(draft, self._keys) for draft in drafts]
                waiting = [self._journal.append(one) for one in fields]
        except (OSError, segments.TooLarge) as error:
            done.set_exception(_unavailable(error))
            return done
        _when_all(waiting, done)
        return done

    def has_bundle(self, digest: str) -> bool:
        """Whether what decided is kept."""
        return digest in self._bundles

    def keep_bundle(self, digest: str, content: bytes) -> None:
        """Keeps what decided, durably, under its digest. Raises LedgerUnavailable, also for content of another."""
        if hashlib.sha256(content).hexdigest() != digest:
            raise LedgerUnavailable(f"what decided does not have the digest {digest}")
        try:
            with self._keeping:
                if digest not in self._bundles:
                    secret_files.write_whole(self.folder / BUNDLES / digest, content, self._disk)
                    self._bundles.add(digest)
        except OSError as error:
            raise _unavailable(error) from error

    def erase(self, slot: int, *, by: str, reason: str) -> Erasure:
        """Destroys a key and records that it was done, by whom and why.

        Raises subjects.Erased, OSError when the key could not be destroyed, LedgerUnavailable when it could not be told.

        The key is destroyed first: a crash in between leaves a key that is gone and no record, never the opposite.
        """
        self._keys.destroy(slot)
        draft = self._told("erasure", slot=slot, by=by, reason=reason)
        return Erasure(id=draft.id, seq=self.record([draft]).result()[0].seq)

    def expirable(self, *, before: int, account: str) -> dict[int, int]:
        """The slots all of whose decisions were taken before a time (ns) and belong to the account -> how many they are."""
        counts: collections.Counter[int] = collections.Counter()
        kept: set[int] = set()
        for fields in self.open_fields():
            public = fields["public"]
            if fields["kind"] == "erasure":
                kept.add(public["slot"])
            elif fields["kind"] == "decision":
                counts[fields["slot"]] += 1
                if fields["at"] >= before or public.get("account") != account:
                    kept.add(fields["slot"])
        return {slot: count for slot, count in counts.items() if slot not in kept}

    def expire(self, *, before: int, account: str, by: str, reason: str) -> Expired:
        """Destroys the keys of all whose every decision is older, and records the order and each erasure.

        Raises OSError when a key could not be destroyed, LedgerUnavailable when it could not be told.

        Who is decided about while it runs is left alone: keys given out are watched from before the order on, and the order
        is durable behind every record that was sealed before it, so that the reading that follows finds them all. A key that
        a crash destroyed without a record gets its record now.
        """
        order = self._told("expiry", before=before, account=account, by=by, reason=reason)
        n_subjects = n_decisions = 0
        with self._keys.watched() as watch:
            (told,) = self.record([order]).result()
            counts = self.expirable(before=before, account=account)
            for slots in self._keys.destroy_many(counts, watch):
                drafts = [self._told("erasure", slot=slot, by=by, reason=reason) for slot in slots]
                self.record(drafts).result()
                n_subjects += len(slots)
                n_decisions += sum(counts[slot] for slot in slots)
        return Expired(n_subjects=n_subjects, n_decisions=n_decisions, seq=told.seq)

    def _told(self, kind: records.Kind, **public: object) -> records.Draft:
        """A record of what was done, with nothing personal in it."""
        now = round(self._clock.now() * journal.NANO)
        return records.Draft(kind=kind, id=ids.request_id(), at=now, public=public)

    def close(self) -> None:
        """Writes, seals and anchors what waits."""
        self._journal.close()
        self._keys.close()
        self._ended()
        self._let_go()

    def _let_go(self) -> None:
        """Lets another process have it."""
        held, self._held = self._held, None
        if held is not None:
            os.close(held)


def _held(folder: Path) -> int:
    """A descriptor that holds the folder for this process; the system frees it however the process ends. Raises Unusable."""
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise Unusable(
            f"The decision ledger in {folder} is another server's; stop it, or name another data folder."
        ) from error
    return descriptor


def _when_all(waiting: Sequence[Future[journal.Written]], done: Future[list[journal.Written]]) -> None:
    """Ends `done` when all have ended. Records of one call are appended in order: the last one ends last."""

    def ended(last: Future[journal.Written]) -> None:
        failed = next((error for each in waiting if (error := each.exception()) is not None), None)
        if failed is not None:
            done.set_exception(_unavailable(failed))
        else:
            done.set_result([each.result() for each in waiting])

    if not waiting:
        done.set_result([])
        return
    waiting[-1].add_done_callback(ended)


def _unavailable(error: BaseException) -> LedgerUnavailable:
    if isinstance(error, segments.TooLarge):
        return TooLarge(f"the ledger does not take {error}")
    if isinstance(error, OSError):
        return LedgerUnavailable(f"the decision ledger cannot be written: {error.strerror or error}")
    return LedgerUnavailable(
        f"it cannot be a record ({type(error).__name__})"
    )  # its text may tell of a person
