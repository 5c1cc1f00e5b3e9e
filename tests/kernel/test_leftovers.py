"""Folders that a crash left behind go; those of running work stay."""

from __future__ import annotations

from pathlib import Path

from glasshouse.kernel.jobs import leftovers
from glasshouse.kernel.records import Record, Store
from tests.support import stores


def folder(root: Path, record: Record, attempt: int) -> Path:
    key = record.key
    made = (
        root / key.account / key.region / key.kind / key.name / f"{int(record.created_at * 1000)}-{attempt}"
    )
    (made / "run").mkdir(parents=True)
    return made


def test_only_folders_of_work_that_is_due_stay(sqlite_store: Store, tmp_path: Path) -> None:
    busy = stores.record("busy", kind="TrainingJob", at=5.5, due_at=1.0)
    done = stores.record("done", kind="TrainingJob", at=6.5)
    gone = stores.record("gone", kind="TrainingJob", at=7.5, due_at=1.0)
    stores.insert(sqlite_store, busy, done)
    kept = [folder(tmp_path, busy, 1), folder(tmp_path, busy, 2)]
    left = [folder(tmp_path, done, 1), folder(tmp_path, gone, 1), folder(tmp_path, gone, 2)]
    assert leftovers.remove(tmp_path, sqlite_store) == 3
    assert all(one.is_dir() for one in kept)
    assert not any(one.parent.exists() for one in left)


def test_the_folder_of_an_earlier_resource_of_that_name_goes(sqlite_store: Store, tmp_path: Path) -> None:
    now = stores.record("job", kind="TrainingJob", at=9.0, due_at=1.0)
    before = stores.record("job", kind="TrainingJob", at=8.0)
    stores.insert(sqlite_store, now)
    kept, left = folder(tmp_path, now, 1), folder(tmp_path, before, 1)
    assert leftovers.remove(tmp_path, sqlite_store) == 1
    assert kept.is_dir()
    assert not left.exists()
