"""Checkpoints: copied to S3 as they appear, and back before another attempt."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from glasshouse.kernel import objects
from glasshouse.kernel.records import Store

UNFINISHED = (".sagemaker-ignore", ".sagemaker-uploading", ".sagemaker-uploaded")
"""Endings of names that are never copied. Source: aws/sagemaker-xgboost-container, checkpointing.py."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A regular file seen in a folder. `path` leads to it through its opened parent, whatever a job renames."""

    name: str
    path: Path
    size_bytes: int
    changed_ns: int


def copy_new(
    service: objects.Objects, store: Store, *, folder: Path, place: objects.Place, memory: Path, final: bool
) -> int:
    """Uploads files that are new or changed and have stood still since the last look; returns how many.

    `memory` is a private file where the last look is written down. With `final` nothing writes any more, so
    everything changed is copied.
    """
    seen = _read(memory)
    now: dict[str, list[int]] = {}
    copied = 0
    for one in _files(folder):
        was = seen.get(one.name)
        still = was is not None and was[:2] == [one.size_bytes, one.changed_ns]
        done = still and was is not None and bool(was[2])
        if not done and (still or final):
            done = _copied(service, store, one, place)
            copied += done
        now[one.name] = [one.size_bytes, one.changed_ns, int(done)]
    if now != seen:
        memory.parent.mkdir(parents=True, exist_ok=True)
        memory.write_text(json.dumps(now))
    return copied


def _copied(service: objects.Objects, store: Store, one: Found, place: objects.Place) -> bool:
    """Whether the file was copied: False when it changed or went away meanwhile."""
    try:
        stored = service.store_file(one.path)
        after = one.path.lstat()
    except OSError:
        return False
    if (after.st_size, after.st_mtime_ns) != (one.size_bytes, one.changed_ns):
        return False
    with store.write() as tx:
        service.publish(tx, place.within(one.name), stored)
    return True


def _files(folder: Path) -> Iterator[Found]:
    """The regular files below a folder that a job may be writing to: no link of its making is followed."""
    for parent, folders, names, descriptor in os.fwalk(folder, follow_symlinks=False):
        folders.sort()
        for name in sorted(names):
            try:
                state = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
            except FileNotFoundError:
                continue
            if stat.S_ISREG(state.st_mode) and not name.endswith(UNFINISHED):
                yield Found(
                    name=Path(parent, name).relative_to(folder).as_posix(),
                    path=Path(f"/proc/self/fd/{descriptor}", name),
                    size_bytes=state.st_size,
                    changed_ns=state.st_mtime_ns,
                )


def _read(path: Path) -> dict[str, list[int]]:
    try:
        found: dict[str, list[int]] = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return found
