"""`glasshouse verify` looks for the anchors of the ledger that the keys belong to, whatever the segments say."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.ledger import books
from tests.support import installation

pytestmark = pytest.mark.slow


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder in a home whose state folder has the ledger's anchors."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    with books.opened(folder) as ledger:
        ledger.record([books.draft(i) for i in range(3)]).result()
        name = ledger.id
    kept = tmp_path / ".local" / "state" / "glasshouse" / "anchors"
    kept.mkdir(parents=True)
    shutil.copy(books.anchor_file(folder), kept / f"{name}.anchors")
    return folder


def verified(data: Path) -> subprocess.CompletedProcess[str]:
    return installation.run("verify", data=data, extra={"HOME": str(data.parent)})


def test_a_ledger_that_was_written_anew_under_another_name_is_not_whole(data: Path) -> None:
    whole = verified(data)
    assert (whole.returncode, whole.stdout[:5]) == (0, "WHOLE"), whole.stderr
    other = data.parent / "other"
    other.mkdir()
    with books.opened(other) as ledger:
        ledger.record([books.draft(7)]).result()
    shutil.rmtree(data / "ledger" / "segments")
    shutil.copytree(other / "ledger" / "segments", data / "ledger" / "segments")
    forged = verified(data)
    assert (forged.returncode, "BROKEN" in forged.stdout) == (1, True)
    shutil.rmtree(data / "ledger" / "segments")
    (data / "ledger" / "segments").mkdir()
    assert "were anchored" in verified(data).stdout


def test_a_sealed_ledger_without_any_anchor_is_not_taken_for_whole(data: Path) -> None:
    shutil.rmtree(data.parent / ".local")
    alone = verified(data)
    assert alone.returncode == 1
    assert "none of its anchors was found" in alone.stderr
