"""What goes wrong inside fails the request that waits, is told, and loses nothing that was acknowledged."""

from __future__ import annotations

import dataclasses
import errno
import logging
import shutil
import threading
from pathlib import Path

import pytest

from glasshouse.kernel import disk as disks
from glasshouse.kernel.clock import SystemClock
from glasshouse.kernel.ledger import Draft, Ledger, LedgerUnavailable, TooLarge, Unusable, replaying
from glassproof import anchors, ledgers, segments
from tests.ledger import books

WAIT_S = 20


class _Odd(disks.RealDisk):
    """A disk whose driver has a fault of its own."""

    is_odd = False

    def create(self, path: Path) -> disks.Output:
        if self.is_odd:
            raise RuntimeError("a fault that names Ada Lovelace")
        return super().create(path)


def test_a_writer_that_ends_by_a_fault_refuses_all_that_wait_and_all_that_come(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    disk = _Odd()
    with books.opened(tmp_path, disk=disk) as ledger:
        ledger.record([books.draft(1, subject="Ada")]).result(WAIT_S)
    with books.opened(tmp_path, disk=disk) as ledger:
        disk.is_odd = True
        with caplog.at_level(logging.CRITICAL):
            waiting = [ledger.record([books.draft(i, subject="Ada")]) for i in range(2, 40)]
            for one in waiting:
                assert isinstance(one.exception(WAIT_S), LedgerUnavailable)
        late = ledger.record([books.draft(90, subject="Ada"), books.draft(91, subject="Ada")])
        assert "its writer has ended" in str(late.exception(WAIT_S))
        disk.is_odd = False
    assert "ledger.ended" in caplog.text
    assert "Lovelace" not in caplog.text
    report = books.verified(tmp_path)
    assert (report.is_whole, report.n_records) == (True, 2)


def test_after_the_end_nothing_is_taken_and_nobody_waits(tmp_path: Path) -> None:
    with books.opened(tmp_path) as ledger:
        ledger.record([books.draft(1, subject="Ada")]).result(WAIT_S)
    assert isinstance(ledger.record([books.draft(2, subject="Ada")]).exception(WAIT_S), LedgerUnavailable)


@pytest.mark.slow
def test_what_no_reader_would_take_is_refused_and_the_ledger_goes_on(tmp_path: Path) -> None:
    def large(n_bytes: int) -> Draft:
        return Draft(kind="decision", id="large", at=1, public={}, private={"input": "x" * n_bytes})

    with books.opened(tmp_path) as ledger:
        refused = ledger.record([books.draft(1), large(50 << 20)])
        assert isinstance(refused.exception(WAIT_S), TooLarge)
        odd = Draft(kind="truth", id="odd", at=1, public={"by": {1, 2}})
        assert isinstance(ledger.record([odd]).exception(WAIT_S), LedgerUnavailable)
        (where,) = ledger.record([large(8 << 20)]).result(WAIT_S)
        assert len((ledger.read(where).private or {})["input"]) == 8 << 20
        ledger.record([books.draft(2)]).result(WAIT_S)
    with books.opened(tmp_path) as ledger:
        assert [entry.id for _, entry in ledger.entries()] == ["large", "decision-2"]
    assert books.verified(tmp_path).is_whole


def test_a_segment_of_another_start_whose_first_record_is_broken_is_kept_aside(tmp_path: Path) -> None:
    for start in range(2):
        with books.opened(tmp_path) as ledger:
            ledger.record([books.draft(start * 10 + i) for i in range(3)]).result(WAIT_S)
    path = segments.files(tmp_path / "ledger" / "segments")[-1]
    header = segments.read_header(path.read_bytes())
    changed = bytearray(path.read_bytes())
    changed[header.size_bytes + 40] ^= 1
    path.write_bytes(changed)
    with books.opened(tmp_path) as ledger:
        ledger.record([books.draft(50)]).result(WAIT_S)
    assert not books.verified(tmp_path).is_whole, "what was anchored is missed"
    (aside,) = path.parent.glob("*.torn-*")
    assert aside.read_bytes() == changed


def test_a_ledger_begun_again_with_the_same_keys_has_the_same_name_and_misses_its_anchors(
    tmp_path: Path,
) -> None:
    with books.opened(tmp_path) as ledger:
        ledger.record([books.draft(1)]).result(WAIT_S)
        name = ledger.id
    shutil.rmtree(tmp_path / "ledger" / "segments")
    known = books.anchored(tmp_path)
    with books.opened(tmp_path) as ledger:
        ledger.record([books.draft(2)]).result(WAIT_S)
        assert ledger.id == name
    report = ledgers.verify(tmp_path / "ledger" / "segments", known)
    assert "rewritten" in report.findings[0].fault


def test_a_person_may_be_called_by_bytes_that_are_no_text(tmp_path: Path) -> None:
    subject = b"Ad\xff".decode("utf-8", "surrogateescape")
    with books.opened(tmp_path) as ledger:
        first, second = (ledger.record([books.draft(i, subject=subject)]).result(WAIT_S)[0] for i in (1, 2))
        assert ledger.read(first).slot == ledger.read(second).slot == ledger.slot_of(subject)
        assert (ledger.read(first).private or {})["subject"] == subject


def test_an_anchor_after_one_that_was_torn_can_be_read(tmp_path: Path) -> None:
    for start in range(2):
        with books.opened(tmp_path) as ledger:
            ledger.record([books.draft(start)]).result(WAIT_S)
        file = books.anchor_file(tmp_path)
        file.write_bytes(file.read_bytes()[:-30])
    with books.opened(tmp_path) as ledger:
        ledger.record([books.draft(9)]).result(WAIT_S)
    assert [anchor.seq for anchor in books.anchored(tmp_path)] == [6]
    assert books.verified(tmp_path).is_whole


def test_a_replay_whose_program_ends_says_so_of_every_decision(tmp_path: Path) -> None:
    with books.opened(tmp_path) as ledger:
        for number in range(3):
            one = books.draft(number)
            drafted = dataclasses.replace(one, private={}, public={**one.public, "bundle": "00" * 32})
            ledger.record([drafted]).result(WAIT_S)
        entries = [entry for _, entry in ledger.entries()]
    ends = tmp_path / "python"
    ends.write_text("#!/bin/sh\nexit 3\n")
    ends.chmod(0o700)
    told = list(replaying.replay(tmp_path / "ledger", entries, python=str(ends)))
    assert [one.verdict for one in told] == ["refused"] * 3
    assert "ended" in told[0].details[0]


def test_an_anchor_that_could_not_be_put_is_put_later_without_another_record(tmp_path: Path) -> None:
    refused, kept, put = [], [], threading.Event()

    def anchor(one: anchors.Anchor) -> None:
        if len(refused) < 2:
            refused.append(one)
            raise OSError(errno.ENOSPC, "No space left on device")
        kept.append(one)
        put.set()

    book = Ledger(tmp_path / "ledger", clock=SystemClock(), anchor=lambda _ledger: anchor)
    try:
        book.record([books.draft(1)]).result(WAIT_S)
        assert put.wait(WAIT_S)
    finally:
        book.close()
    assert kept == [refused[0]] == [refused[1]]
    report = ledgers.verify(tmp_path / "ledger" / "segments", kept)
    assert (report.is_whole, report.anchored_to) == (True, 2)


def test_a_second_opening_is_refused_until_the_first_is_closed(tmp_path: Path) -> None:
    with books.opened(tmp_path) as first:
        with pytest.raises(Unusable, match="another server's"), books.opened(tmp_path):
            pass
        first.record([books.draft(1)]).result(WAIT_S)
    with books.opened(tmp_path) as second:
        second.record([books.draft(2)]).result(WAIT_S)
    assert books.verified(tmp_path).is_whole
