"""Checkpoints: copied to S3 as they appear, and back before another attempt."""

from __future__ import annotations

import json
from pathlib import Path

from glasshouse.kernel import objects
from glasshouse.kernel.records import Store


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
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if path.is_symlink() or not path.is_file():
            continue
        name = str(path.relative_to(folder))
        state = path.stat()
        size, changed = state.st_size, state.st_mtime_ns
        was = seen.get(name)
        still = was is not None and was[:2] == [size, changed]
        done = still and was is not None and bool(was[2])
        if not done and (still or final):
            stored = service.store_file(path)
            with store.write() as tx:
                service.publish(tx, place.within(name), stored)
            copied += 1
            done = True
        now[name] = [size, changed, int(done)]
    if now != seen:
        memory.parent.mkdir(parents=True, exist_ok=True)
        memory.write_text(json.dumps(now))
    return copied


def _read(path: Path) -> dict[str, list[int]]:
    try:
        found: dict[str, list[int]] = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return found
