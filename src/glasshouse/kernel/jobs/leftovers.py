"""Folders of attempts that nothing works on any more: a crash between the last write and the clean-up leaves them."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from glasshouse.kernel.records import Key, Record, Store


def remove(root: Path, store: Store) -> int:
    """Removes them and returns how many. `root` is the data folder's jobs/.

    It may run beside the work loop: a row is due before its folders are made.
    """
    removed = 0
    for folder in sorted(root.glob("*/*/*/*")):
        attempts = list(folder.iterdir())  # read before the row is, so that none of them is newer
        used = _used(folder, root, store)
        for attempt in attempts:
            if used is None or not attempt.name.startswith(f"{int(used.created_at * 1000)}-"):
                shutil.rmtree(attempt, ignore_errors=True)
                removed += 1
        if used is None:
            with contextlib.suppress(OSError):
                folder.rmdir()
    return removed


def _used(folder: Path, root: Path, store: Store) -> Record | None:
    """The resource that <account>/<region>/<kind>/<name> belongs to, while it is being worked on."""
    account, region, kind, name = folder.relative_to(root).parts
    with store.read() as view:
        record = view.find(Key(account=account, region=region, kind=kind, name=name))
    return record if record is not None and record.due_at is not None else None
