"""Verifies a ledger: reads every byte of it, and names whatever is not as it was written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from glassproof import anchors, canonical, hashes, seals, segments

Progress = Callable[[int, int], None]
"""Told the bytes read and the bytes in all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is not as it was written. `seq` is the record's number, 0 where it is no record's."""

    seq: int
    file: str
    offset: int
    fault: str

    def __str__(self) -> str:
        who = f"record {self.seq}" if self.seq else "the ledger"
        return f"{who} ({self.file}, byte {self.offset}): {self.fault}"


@dataclass(slots=True, kw_only=True)
class Report:
    """What was read, and what is wrong with it."""

    ledger: str = ""
    n_records: int = 0
    n_seals: int = 0
    n_anchors: int = 0
    last_seq: int = 0
    chain: str = ""
    sealed_to: int = 0
    anchored_to: int = 0
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        return not self.findings


class _Stopped(Exception):
    """Behind this place the chain cannot be followed."""


def verify(
    folder: Path,
    known: Sequence[anchors.Anchor] = (),
    *,
    key: str = "",
    progress: Progress = lambda _done, _all: None,
) -> Report:
    """Reads the segments of `folder` and holds them against the anchors.

    key: the public key (hexadecimal) that seals must be signed with; else the first anchor's, else the ledger's own.
    Raises OSError where a file cannot be read.
    """
    return _Reading(folder, known, key=key, progress=progress).report()


class _Reading:
    def __init__(
        self, folder: Path, known: Sequence[anchors.Anchor], *, key: str, progress: Progress
    ) -> None:
        self._files = segments.files(folder)
        self._odd = sorted(set(folder.glob(f"*{segments.SUFFIX}")) - set(self._files))
        self._folder = folder
        self._known = sorted(known, key=lambda anchor: anchor.seq)
        self._key = key or (self._known[0].key if self._known else "")
        self._progress = progress
        self._report = Report()
        self._chain = hashes.NOTHING
        self._leaves: list[bytes] = []
        self._next = 1

    def report(self) -> Report:
        for path in self._odd:
            self._fault(path, 0, "no segment is called so: the ledger did not write this file")
        try:
            self._read_all()
        except _Stopped:
            self._report.notes.append("What follows the first fault was not read: the chain ends there.")
        self._report.last_seq = self._next - 1
        self._report.chain = self._chain.hex()
        self._hold_against_anchors()
        n_open = len(self._leaves) - bool(self._report.n_seals)
        if n_open and not self._report.findings:
            self._report.notes.append(f"The last {n_open} records are not sealed yet.")
        if not self._known:
            self._report.notes.append(
                "No anchor was given: a ledger rewritten from its beginning, or cut at its end, cannot be told."
            )
        return self._report

    def _read_all(self) -> None:
        if not self._files and not self._known:
            self._report.notes.append("The ledger is empty.")
        sizes = [path.lstat().st_size for path in self._files]
        done = 0
        for index, path in enumerate(self._files):
            following = self._files[index + 1] if index + 1 < len(self._files) else None
            self._read_segment(path, following)
            done += sizes[index]
            self._progress(done, sum(sizes))

    def _read_segment(self, path: Path, following: Path | None) -> None:
        try:
            data = segments.read(path)
            header = segments.read_header(data)
        except segments.Unreadable as error:
            if following is None and not self._anchored_from(self._next):
                self._report.notes.append(f"{path.name} was begun and not written: {error}.")
                return
            self._stop(path, 0, f"the segment's header is damaged: {error}")
        self._check_header(path, header)
        self._chain = header.start
        whole = _whole_size(following)
        for found in segments.frames(data if whole is None else data[:whole], header.size_bytes):
            if not self._goes_on(path, found, is_last=following is None):
                return
        if whole is not None and whole < len(data):
            self._report.notes.append(
                f"{path.name}: {len(data) - whole} bytes behind record {self._next - 1} were torn by a crash; "
                "they were never acknowledged."
            )
        if whole is not None and whole > len(data):
            self._stop(path, len(data), f"{whole - len(data)} bytes are missing at the end of the segment")

    def _check_header(self, path: Path, header: segments.Header) -> None:
        fields = header.fields
        self._report.ledger = self._report.ledger or fields["ledger"]
        self._key = self._key or fields["key"]
        wrong = ""
        if fields["ledger"] != self._report.ledger:
            wrong = f"the segment belongs to another ledger, {fields['ledger']}"
        elif path.name != segments.name(fields["first"]):
            wrong = f"the segment begins with record {fields['first']}, which is not what its name says"
        elif fields["first"] != self._next:
            wrong = f"records {self._next} to {fields['first'] - 1} are missing before it"
        elif fields["previous"] != self._chain.hex():
            wrong = (
                "the segment does not follow the one before it: its header or the records before were changed"
            )
        if wrong:
            self._stop(path, 0, wrong)

    def _goes_on(self, path: Path, found: segments.Frame | segments.Torn, *, is_last: bool) -> bool:
        """Reads a record; False when the rest of the last segment is torn. Raises _Stopped at a fault."""
        may_be_torn = is_last and not self._anchored_from(self._next)
        if isinstance(found, segments.Torn):
            if not may_be_torn:
                self._stop(path, found.offset, "it is cut off or its length was changed")
            self._note_torn(path, found.offset)
            return False
        body_leaf = hashes.leaf(found.body)
        if hashes.link(self._chain, body_leaf) != found.chain:
            if not may_be_torn or self._follows(path, found):
                self._stop(path, found.offset, self._reason(found.body))
            self._note_torn(path, found.offset)
            return False
        before, self._chain = self._chain, found.chain
        self._read_body(path, found, body_leaf, before)
        self._next += 1
        self._report.n_records += 1
        return True

    def _note_torn(self, path: Path, offset: int) -> None:
        n_bytes = path.lstat().st_size - offset
        self._report.notes.append(
            f"{path.name}: the last {n_bytes} bytes, behind record {self._next - 1}, are torn as by a crash; "
            "no anchor covers them."
        )

    def _follows(self, path: Path, found: segments.Frame) -> bool:
        """Whether whole records follow a broken one: a crash leaves none, since records are written in order."""
        chain = found.chain
        for later in segments.frames(segments.read(path), found.end):
            if isinstance(later, segments.Torn):
                return False
            if hashes.link(chain, hashes.leaf(later.body)) == later.chain:
                return True
            chain = later.chain
        return False

    def _reason(self, body: bytes) -> str:
        try:
            seq = canonical.decode(body).get("seq")
        except (canonical.NotCanonical, AttributeError):
            return "its bytes were changed"
        if isinstance(seq, int) and seq > self._next:
            return f"it is missing: record {seq} stands in its place"
        if isinstance(seq, int) and seq < self._next:
            return f"record {seq} stands in its place"
        return "its bytes, or its chain value, were changed"

    def _read_body(self, path: Path, found: segments.Frame, body_leaf: bytes, before: bytes) -> None:
        try:
            record = canonical.decode(found.body)
            seq, kind = record["seq"], record["kind"]
        except (canonical.NotCanonical, KeyError, TypeError) as error:
            self._stop(path, found.offset, f"it is chained but cannot be read: {error}")
        if type(seq) is not int or seq != self._next:
            self._stop(path, found.offset, f"it says that it is record {seq}")
        if kind == seals.KIND:
            self._check_seal(path, found.offset, record, before)
            self._leaves = []
        self._leaves.append(body_leaf)

    def _check_seal(self, path: Path, offset: int, seal: dict[str, Any], before: bytes) -> None:
        """A seal covers everything since the one before, that one included, and nothing else."""
        if seal.get("key") != self._key:
            self._stop(path, offset, f"the seal is by another key, {seal.get('key')}")
        if seal.get("ledger") != self._report.ledger or not seals.is_signed(seal):
            self._stop(path, offset, "the seal's signature is not its key's")
        if (seal["first"], seal["last"]) != (self._next - len(self._leaves), self._next - 1):
            self._stop(
                path, offset, f"it seals records {seal['first']} to {seal['last']}, not those before it"
            )
        if (seal["root"], seal["chain"]) != (hashes.root(self._leaves).hex(), before.hex()):
            self._stop(
                path, offset, f"records {seal['first']} to {seal['last']} are not those that were sealed"
            )
        self._report.n_seals += 1
        self._report.sealed_to = self._next - 1
        self._check_anchors(path, offset)

    def _check_anchors(self, path: Path, offset: int) -> None:
        """Anchors are taken at seals: one for the seal being read has the chain's value after it."""
        for anchor in self._known:
            if anchor.seq == self._next and anchor.chain != self._chain.hex():
                self._stop(path, offset, "the ledger was rewritten: another chain value was anchored here")
            if anchor.seq == self._next and anchor.key != self._key:
                self._stop(path, offset, f"its anchor is of another key, {anchor.key}")
            if anchor.seq == self._next:
                self._report.n_anchors += 1
                self._report.anchored_to = anchor.seq

    def _hold_against_anchors(self) -> None:
        """What is anchored must be there; with a fault already named this says how far the damage reaches."""
        for anchor in self._known:
            if self._report.ledger and anchor.ledger != self._report.ledger:
                self._fault(self._folder, 0, f"an anchor is of another ledger, {anchor.ledger}")
                return
        last = self._known[-1] if self._known else None
        if last and last.seq >= self._next and not self._report.findings:
            self._fault(
                self._files[-1] if self._files else self._folder,
                0,
                f"records {self._next} to {last.seq} are missing: they were anchored",
                seq=self._next,
            )
        unseen = [anchor for anchor in self._known if anchor.seq < self._next]
        if len(unseen) > self._report.n_anchors and not self._report.findings:
            self._fault(self._folder, 0, "an anchor does not stand at a seal of this ledger")

    def _anchored_from(self, seq: int) -> bool:
        return any(anchor.seq >= seq for anchor in self._known)

    def _stop(self, path: Path, offset: int, fault: str) -> NoReturn:
        self._fault(path, offset, fault, seq=self._next)
        raise _Stopped

    def _fault(self, path: Path, offset: int, fault: str, *, seq: int = 0) -> None:
        self._report.findings.append(Finding(seq=seq, file=path.name, offset=offset, fault=fault))


def _whole_size(following: Path | None) -> int | None:
    """How many bytes of a segment the next one's header calls whole; None when none follows."""
    if following is None:
        return None
    try:
        return int(segments.read_header(segments.read(following)).fields["previous_size"])
    except segments.Unreadable:
        return None


def id_of(folder: Path) -> str:
    """The id in the first segment that can be read; "" when there is none."""
    for path in segments.files(folder):
        try:
            return str(segments.read_header(segments.read(path)).fields["ledger"])
        except segments.Unreadable:
            continue
    return ""


def walk(folder: Path, *, since: int = 1) -> Iterator[tuple[Path, segments.Frame]]:
    """Every whole record of a ledger in order, without verifying it: up to what is torn.

    since: segments that end before this record are left out.
    """
    files = segments.files(folder)
    for index, path in enumerate(files):
        if index + 1 < len(files) and int(files[index + 1].name.removesuffix(segments.SUFFIX)) <= since:
            continue
        try:
            data = segments.read(path)
            header = segments.read_header(data)
        except segments.Unreadable:
            return
        whole = _whole_size(files[index + 1] if index + 1 < len(files) else None)
        chain = header.start
        for found in segments.frames(data[:whole], header.size_bytes):
            if isinstance(found, segments.Torn) or hashes.link(chain, hashes.leaf(found.body)) != found.chain:
                break
            chain = found.chain
            yield path, found
