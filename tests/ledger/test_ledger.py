"""The ledger: what was acknowledged is there, verifies, and reads back; what was erased is gone."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from glasshouse.kernel.ledger import LedgerUnavailable, journal, subjects
from glassproof import ledgers
from tests.ledger import books


def test_what_was_recorded_reads_back(tmp_path: Path) -> None:
    with books.opened(tmp_path) as ledger:
        (where,) = ledger.record([books.draft(1, subject="Ada")]).result()
        entry = ledger.read(where)
    assert (entry.seq, entry.kind, entry.id) == (1, "decision", "decision-1")
    assert entry.private == {"input": b"secret income 1", "score": 1 / 7, "subject": "Ada"}


def test_a_ledger_goes_on_after_each_start_and_all_of_it_verifies(tmp_path: Path) -> None:
    for start in range(4):
        with books.opened(tmp_path) as ledger:
            ledger.record([books.draft(start * 10 + i, subject=f"person {i}") for i in range(5)]).result()
    report = books.verified(tmp_path)
    assert report.is_whole, report.findings
    assert (report.n_records, report.n_seals, report.n_anchors) == (24, 4, 4)
    assert (report.sealed_to, report.anchored_to) == (23, 24)
    with books.opened(tmp_path) as ledger:
        read = [entry.id for _, entry in ledger.entries()]
    assert read == [f"decision-{start * 10 + i}" for start in range(4) for i in range(5)]


def test_records_of_many_threads_are_all_there_and_each_calls_in_order(tmp_path: Path) -> None:
    def write(thread: int) -> list[journal.Written]:
        return [
            where
            for i in range(20)
            for where in ledger.record(
                [books.draft(thread * 1000 + i * 2), books.draft(thread * 1000 + i * 2 + 1)]
            ).result()
        ]

    with books.opened(tmp_path) as ledger:
        with ThreadPoolExecutor(8) as pool:
            written = list(pool.map(write, range(8)))
        for thread, places in enumerate(written):
            assert [place.seq for place in places] == sorted(place.seq for place in places)
            assert [ledger.read(place).id for place in places] == [
                f"decision-{thread * 1000 + i}" for i in range(40)
            ]
    assert books.verified(tmp_path).is_whole


def test_one_persons_records_share_a_key_that_others_do_not_have(tmp_path: Path) -> None:
    with books.opened(tmp_path) as ledger:
        places = ledger.record(
            [books.draft(1, subject="Ada"), books.draft(2, subject="Bob"), books.draft(3, subject="Ada")]
        ).result()
        unnamed = ledger.record([books.draft(4), books.draft(5)]).result()
        slots = [ledger.read(place).slot for place in [*places, *unnamed]]
    assert slots[0] == slots[2]
    assert len(set(slots)) == 4


def test_an_erased_person_cannot_be_read_anywhere_and_the_chain_still_verifies(tmp_path: Path) -> None:
    with books.opened(tmp_path) as ledger:
        ada, bob = ledger.record([books.draft(1, subject="Ada"), books.draft(2, subject="Bob")]).result()
        slot = ledger.slot_of("Ada")
        assert slot is not None
        ledger.erase(slot, by="an officer", reason="asked for")
        assert ledger.read(ada).is_erased
        assert ledger.slot_of("Ada") is None
        assert ledger.read(bob).private is not None
        with pytest.raises(subjects.Erased):
            ledger.erase(slot, by="an officer", reason="again")
    with books.opened(tmp_path) as ledger:
        entries = [entry for _, entry in ledger.entries()]
        assert [entry.is_erased for entry in entries] == [True, False, False]
        assert entries[2].public == {"slot": slot, "by": "an officer", "reason": "asked for"}
        (again,) = ledger.record([books.draft(3, subject="Ada")]).result()
        assert ledger.read(again).slot != slot
    assert books.verified(tmp_path).is_whole


def test_no_personal_field_lies_open_on_the_disk(tmp_path: Path) -> None:
    with books.opened(tmp_path) as ledger:
        ledger.record([books.draft(1, subject="Ada Lovelace")]).result()
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert b"Lovelace" not in path.read_bytes()
            assert b"secret income" not in path.read_bytes()


def test_the_files_are_their_owners_alone(tmp_path: Path) -> None:
    with books.opened(tmp_path) as ledger:
        ledger.record([books.draft(1)]).result()
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "ledger").rglob("*")} == {0}


def test_a_disk_that_refuses_fails_the_request_and_the_ledger_goes_on_when_it_is_well_again(
    tmp_path: Path,
) -> None:
    disk = books.Unwilling()
    with books.opened(tmp_path, disk=disk) as ledger:
        ledger.record([books.draft(1)]).result()
        for broken_after in range(8):
            disk.break_after(broken_after)
            outcomes = [
                ledger.record([books.draft(90, subject=f"lost {broken_after}")]).exception() for _ in range(9)
            ]
            assert isinstance(outcomes[-1], LedgerUnavailable)
            assert "No space" in str(outcomes[-1])
            disk.mend()
            (where,) = ledger.record([books.draft(2, subject=f"lost {broken_after}")]).result()
            assert ledger.read(where).id == "decision-2"
    report = books.verified(tmp_path)
    assert report.is_whole, report.findings
    with books.opened(tmp_path) as ledger:
        assert [entry.id for _, entry in ledger.entries()].count("decision-2") == 8


def test_a_reader_sees_whole_records_while_others_write(tmp_path: Path) -> None:
    stop = threading.Event()
    with books.opened(tmp_path) as ledger:

        def write() -> None:
            number = 0
            while not stop.is_set():
                ledger.record([books.draft(number)]).result()
                number += 1

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for _ in range(20):
                seqs = [where.seq for where, _ in ledger.entries()]
                assert seqs == sorted(seqs)
                assert ledgers.verify(tmp_path / "ledger" / "segments").is_whole
        finally:
            stop.set()
            writer.join()
