"""A decision that was acknowledged is in the ledger, can be read and verifies, whenever its writer was killed."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from glasshouse.kernel.ledger import Reader
from glassproof import anchors, ledgers
from tests.crash import ledger_writer
from tests.crash.rig import RUNS, SEED

pytestmark = [pytest.mark.slow, pytest.mark.soak, pytest.mark.timeout(900)]

KILLS = 50


@pytest.mark.parametrize("run", range(RUNS), ids=lambda run: f"run{run}")
def test_what_was_acknowledged_is_there_after_every_kill(run: int, tmp_path: Path) -> None:
    seed = int(os.environ.get(SEED) or random.SystemRandom().randrange(2**31))
    print(f"the same again: {SEED}={seed}")
    chance = random.Random(seed)
    acknowledged: set[str] = set()
    for life in range(KILLS):
        acknowledged |= killed(tmp_path, life, within_s=chance.uniform(0.0, 0.3))
        if life % 10 == 9:
            check(tmp_path, acknowledged)
    assert len(acknowledged) > KILLS, "the writer came to nothing"


def killed(folder: Path, life: int, *, within_s: float) -> set[str]:
    """What a writer acknowledged before it was killed: some time after its first record."""
    command = [sys.executable, ledger_writer.__file__, str(folder), str(life)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        first = program.stdout.readline()
        time.sleep(within_s)  # the random point of the kill, not a wait for something to happen
        program.kill()
        rest = program.stdout.read()
    assert first, "the writer ended by itself"
    lines = (first + rest).split("\n")
    return set(lines[:-1])


def check(folder: Path, acknowledged: set[str]) -> None:
    kept = folder / "anchors"
    known = anchors.read(kept) if kept.exists() else []
    report = ledgers.verify(folder / "ledger" / "segments", known)
    assert report.is_whole, report.findings
    found = {entry.id: entry.private for _, entry in Reader(folder / "ledger").entries()}
    lost = acknowledged - {name for name, private in found.items() if private is not None}
    assert not lost, f"{len(lost)} acknowledged decisions are not there, for example {min(lost)}"
    assert all(private["input"] == name for name, private in found.items() if private is not None)
