"""The power fails at any call: every acknowledged record is there, and the ledger verifies and goes on."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path

import pytest

from glasshouse.kernel.clock import SystemClock
from glasshouse.kernel.ledger import Ledger, Unusable
from glassproof import anchors, ledgers
from tests.ledger import books
from tests.support.disks import ForgetfulDisk, PowerCut

N_LIVES = 4


@pytest.mark.parametrize("seed", range(80))
def test_what_was_acknowledged_survives_power_cuts(seed: int, tmp_path: Path) -> None:
    choice = random.Random(seed)
    root = tmp_path / "machine" / "ledger"
    disk = ForgetfulDisk(root)
    acknowledged: dict[str, str] = {}
    erased: set[str] = set()
    anchored: list[anchors.Anchor] = []
    for life in range(N_LIVES):
        disk.n_calls = choice.randint(1, 60)
        live(disk, root, choice, life, acknowledged, erased, anchored)
        disk = disk.after_power_cut(choice)
    disk.dump(tmp_path / "machine")
    report = ledgers.verify(root / "segments", anchored)
    assert report.is_whole, report.findings
    with books.opened(tmp_path / "machine") as ledger:
        found = {entry.id: entry for _, entry in ledger.entries()}
        ledger.record([books.draft(9999, subject="after")]).result()
    for record_id, subject in acknowledged.items():
        assert found[record_id].is_erased <= (subject in erased), f"the key of {subject} was lost"
    assert books.verified(tmp_path / "machine").is_whole


def live(
    disk: ForgetfulDisk,
    root: Path,
    choice: random.Random,
    life: int,
    acknowledged: dict[str, str],
    erased: set[str],
    anchored: list[anchors.Anchor],
) -> None:
    """Opens the ledger and works with it until the power is gone."""
    try:
        ledger = Ledger(root, clock=SystemClock(), anchor=lambda _ledger: anchored.append, disk=disk)
    except Unusable:
        return
    for number in range(30):
        drafts = [
            books.draft(life * 1000 + number * 3 + i, subject=choice.choice(["", "Ada", "Bob", "Cyd"]))
            for i in range(choice.randint(1, 3))
        ]
        if ledger.record(drafts).exception() is not None:
            break
        acknowledged |= {draft.id: draft.subject for draft in drafts}
        slot = ledger.slot_of("Ada")
        if slot is not None and choice.random() < 0.1:
            erased.add("Ada")
            try:
                ledger.erase(slot, by="officer", reason="asked for")
            except Exception:  # the power went
                break
    with contextlib.suppress(PowerCut):
        ledger.close()
