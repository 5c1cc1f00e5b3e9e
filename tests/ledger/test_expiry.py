"""Retention: whoever was last decided about before a time is forgotten, and nobody else."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
from pathlib import Path

import pytest

from glasshouse.kernel.ledger import Draft, Ledger, LedgerUnavailable, subjects
from tests.ledger import books

OLD, NEW = 1_000, 2_000
BEFORE = 1_500
BY = {"account": "1", "by": "an officer", "reason": "kept for five years"}


def draft(number: int, *, at: int, subject: str = "", account: str = "1") -> Draft:
    made = books.draft(number, subject=subject)
    return dataclasses.replace(made, at=at, public={**made.public, "account": account})


def readable(ledger: Ledger) -> set[str]:
    """The numbers of the decisions whose personal fields can be read."""
    return {
        entry.id.removeprefix("decision-")
        for _, entry in ledger.entries()
        if entry.kind == "decision" and not entry.is_erased
    }


def test_who_has_a_newer_decision_or_one_of_another_account_is_kept(tmp_path: Path) -> None:
    drafts = [
        draft(1, at=OLD, subject="Ada"),
        draft(2, at=OLD, subject="Ada"),
        draft(3, at=OLD, subject="Bob"),
        draft(4, at=NEW, subject="Bob"),
        draft(5, at=OLD, subject="Cid"),
        draft(6, at=OLD, subject="Cid", account="2"),
        draft(7, at=OLD),
        draft(8, at=NEW),
        draft(9, at=BEFORE, subject="Dan"),
    ]
    with books.opened(tmp_path) as ledger:
        ledger.record(drafts).result()
        found = ledger.expire(before=BEFORE, **BY)
        assert (found.n_subjects, found.n_decisions) == (2, 3)
        assert readable(ledger) == {"3", "4", "5", "6", "8", "9"}
        assert ledger.slot_of("Ada") is None
        again = ledger.expire(before=BEFORE, **BY)
        assert (again.n_subjects, again.n_decisions) == (0, 0)
    with books.opened(tmp_path) as ledger:
        assert readable(ledger) == {"3", "4", "5", "6", "8", "9"}
    assert books.verified(tmp_path).is_whole


def test_the_order_and_every_erasure_are_recorded(tmp_path: Path) -> None:
    with books.opened(tmp_path) as ledger:
        places = ledger.record([draft(i, at=OLD, subject=f"person {i}") for i in range(3)]).result()
        slots = [ledger.read(place).slot for place in places]
        found = ledger.expire(before=BEFORE, **BY)
        told = [entry for _, entry in ledger.entries(since=found.seq)]
    assert told[0].kind == "expiry"
    assert told[0].public == {"before": BEFORE, **BY}
    assert [entry.kind for entry in told[1:]] == ["erasure"] * 3
    assert [entry.public["slot"] for entry in told[1:]] == slots
    assert {entry.public["reason"] for entry in told} == {BY["reason"]}


def test_what_a_crash_destroyed_without_a_record_is_recorded_by_the_next(tmp_path: Path) -> None:
    with books.opened(tmp_path) as ledger:
        places = ledger.record([draft(i, at=OLD, subject=f"person {i}") for i in range(3)]).result()
        slots = [ledger.read(place).slot for place in places]
        ledger._keys.destroy(slots[1])
    with books.opened(tmp_path) as ledger:
        found = ledger.expire(before=BEFORE, **BY)
        assert found.n_subjects == 3
        told = [entry.public["slot"] for _, entry in ledger.entries() if entry.kind == "erasure"]
        assert told == slots
        assert ledger.expire(before=BEFORE, **BY).n_subjects == 0


@pytest.mark.parametrize("n_calls", range(14))
def test_what_a_full_disk_cut_short_is_completed_by_the_next(tmp_path: Path, n_calls: int) -> None:
    disk = books.Unwilling()
    with books.opened(tmp_path, disk=disk) as ledger:
        ledger.record([draft(i, at=OLD, subject=f"person {i}") for i in range(3)]).result()
        disk.break_after(n_calls)
        with contextlib.suppress(OSError, LedgerUnavailable):
            ledger.expire(before=BEFORE, **BY)
        disk.mend()
        ledger.expire(before=BEFORE, **BY)
        assert readable(ledger) == set()
        told = [entry.public["slot"] for _, entry in ledger.entries() if entry.kind == "erasure"]
        assert len(told) == len(set(told)) == 3
    assert books.verified(tmp_path).is_whole


def test_a_file_of_many_keys_is_written_anew_once(tmp_path: Path) -> None:
    with books.opened(tmp_path) as ledger:
        ledger.record([draft(i, at=OLD) for i in range(500)]).result()
        ledger.expire(before=BEFORE, **BY)
        assert readable(ledger) == set()
    generations = {name.name.partition("-")[2] for name in (tmp_path / "ledger/subjects").iterdir()}
    assert generations == {"00000001.keys", "00000002.keys"}


def test_who_was_expired_gets_another_key_and_is_decided_about_anew(tmp_path: Path) -> None:
    with books.opened(tmp_path) as ledger:
        ledger.record([draft(1, at=OLD, subject="Ada")]).result()
        ledger.expire(before=BEFORE, **BY)
        ledger.record([draft(2, at=NEW, subject="Ada")]).result()
        assert readable(ledger) == {"2"}


@pytest.mark.slow
def test_who_is_decided_about_while_it_runs_stays_readable(tmp_path: Path) -> None:
    """New decisions about people with old ones only, from another thread all the while."""
    people = [f"person {i}" for i in range(200)]
    renewed: list[str] = []

    def renew() -> None:
        for number, subject in enumerate(people[::2]):
            ledger.record([draft(1000 + number, at=NEW, subject=subject)]).result()
            renewed.append(str(1000 + number))
            started.set()

    with books.opened(tmp_path) as ledger:
        ledger.record([draft(i, at=OLD, subject=one) for i, one in enumerate(people)]).result()
        started = threading.Event()
        thread = threading.Thread(target=renew)
        thread.start()
        started.wait(20)
        found = ledger.expire(before=BEFORE, **BY)
        thread.join()
        assert set(renewed) <= readable(ledger)
        assert found.n_subjects >= len(people) // 2
    assert books.verified(tmp_path).is_whole


def test_a_key_that_was_given_out_since_the_watch_began_is_not_destroyed(tmp_path: Path) -> None:
    with books.opened(tmp_path) as ledger:
        places = ledger.record([draft(1, at=OLD, subject="Ada"), draft(2, at=OLD, subject="Bob")]).result()
        ada, bob = (ledger.read(place).slot for place in places)
        keys = ledger._keys
        with keys.watched() as watch:
            assert keys.key_for("Ada").slot == ada
            assert list(keys.destroy_many([ada, bob], watch)) == [[bob]]
        assert keys.key_of(ada).slot == ada
        with pytest.raises(subjects.Erased):
            keys.key_of(bob)
        with keys.watched() as watch:
            assert list(keys.destroy_many([bob], watch)) == [[bob]]


def test_what_would_be_forgotten_is_told_beforehand(tmp_path: Path) -> None:
    with books.opened(tmp_path) as ledger:
        ledger.record([draft(1, at=OLD, subject="Ada"), draft(2, at=NEW, subject="Bob")]).result()
        counts = ledger.expirable(before=BEFORE, account="1")
        assert list(counts.values()) == [1]
        assert readable(ledger) == {"1", "2"}
