"""Folders of attempts that nothing works on any more: a crash between the last write and the clean-up leaves them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from glasshouse.kernel.records import Key, Store


def remove(root: Path, store: Store, *, now: float, grace_s: float = 300.0) -> int:
    """Removes them and returns how many. `root` is the data folder's jobs/; young folders are left alone."""
    removed = 0
    for key, folder in _attempts(root):
        if now - folder.stat().st_mtime > grace_s and not _is_used(key, folder, store):
            shutil.rmtree(folder, ignore_errors=True)
            removed += 1
    return removed


def _attempts(root: Path) -> Iterator[tuple[Key, Path]]:
    """Every <account>/<region>/<kind>/<name>/<attempt>."""
    for folder in sorted(root.glob("*/*/*/*/*")):
        account, region, kind, name = folder.relative_to(root).parts[:4]
        if folder.is_dir():
            yield Key(account=account, region=region, kind=kind, name=name), folder


def _is_used(key: Key, folder: Path, store: Store) -> bool:
    """Whether the resource of that creation time is still being worked on."""
    with store.read() as view:
        record = view.find(key)
    if record is None or record.due_at is None:
        return False
    return folder.name.startswith(f"{int(record.created_at * 1000)}-")
