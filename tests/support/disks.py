"""A file system in memory that forgets, at a power cut, what was not synced."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


class PowerCut(OSError):
    """The machine is off."""


@dataclass
class _File:
    """What a program reads now, and what the platter surely holds."""

    content: bytearray = field(default_factory=bytearray)
    synced: bytes = b""
    modified_at: float = 0.0


@dataclass
class _Folder:
    entries: dict[str, _File | _Folder] = field(default_factory=dict)
    synced: dict[str, _File | _Folder] = field(default_factory=dict)


class ForgetfulDisk:
    """Implements the seam of kernel.disk. After `n_calls` more calls the power fails, if that is set."""

    def __init__(self, root: Path, *, n_calls: int | None = None) -> None:
        self._root = root
        self._top = _Folder()
        self._lock = threading.Lock()
        self.n_calls = n_calls

    def after_power_cut(self, choice: random.Random) -> ForgetfulDisk:
        """What a restarted machine finds: all that was synced, and of the rest any part."""
        fresh = ForgetfulDisk(self._root)
        fresh._top = _survived(self._top, choice)
        return fresh

    def dump(self, target: Path) -> None:
        """Writes what there is into a real folder."""
        _dump(self._top, target)

    def is_directory(self, path: Path) -> bool:
        try:
            return isinstance(self._find(path), _Folder)
        except FileNotFoundError:
            return False

    def make_directory(self, path: Path) -> None:
        self._count()
        with self._lock:
            self._folder(path.parent).entries.setdefault(path.name, _Folder())

    def create(self, path: Path) -> Output:
        self._count()
        with self._lock:
            entries = self._folder(path.parent).entries
            if path.name in entries:
                raise FileExistsError(path)
            entries[path.name] = file = _File()
            return Output(file, self._count)

    def extend(self, path: Path) -> Output:
        self._count()
        file = self._find(path)
        assert isinstance(file, _File)
        return Output(file, self._count)

    def open(self, path: Path) -> _Input:
        found = self._find(path)
        assert isinstance(found, _File)
        return _Input(found)

    def rename(self, source: Path, target: Path) -> None:
        self._count()
        with self._lock:
            file = self._folder(source.parent).entries.pop(source.name)
            self._folder(target.parent).entries[target.name] = file

    def remove(self, path: Path) -> None:
        self._count()
        with self._lock:
            if self._folder(path.parent).entries.pop(path.name, None) is None:
                raise FileNotFoundError(path)

    def shred(self, path: Path) -> None:
        self._count()
        file = self._find(path)
        assert isinstance(file, _File)
        file.content[:] = file.synced = bytes(len(file.content))
        self.remove(path)

    def sync_directory(self, path: Path) -> None:
        self._count()
        with self._lock:
            folder = self._folder(path)
            folder.synced = dict(folder.entries)

    def names(self, path: Path) -> list[str]:
        return list(self._folder(path).entries) if self.is_directory(path) else []

    def modified_at(self, path: Path) -> float:
        found = self._find(path)
        assert isinstance(found, _File)
        return found.modified_at

    def _count(self) -> None:
        if self.n_calls is not None:
            self.n_calls -= 1
            if self.n_calls < 0:
                raise PowerCut

    def _find(self, path: Path) -> _File | _Folder:
        here: _File | _Folder = self._top
        for name in path.relative_to(self._root.parent).parts:
            if not isinstance(here, _Folder) or name not in here.entries:
                raise FileNotFoundError(path)
            here = here.entries[name]
        return here

    def _folder(self, path: Path) -> _Folder:
        found = self._find(path)
        assert isinstance(found, _Folder)
        return found


class Output:
    def __init__(self, file: _File, count: Callable[[], None]) -> None:
        self._file = file
        self._count = count

    def write(self, data: bytes) -> None:
        self._count()
        self._file.content += data

    def sync(self, modified_at: float | None = None) -> None:
        self._count()
        self._file.synced = bytes(self._file.content)
        self._file.modified_at = self._file.modified_at if modified_at is None else modified_at

    def close(self) -> None:
        pass


class _Input:
    def __init__(self, file: _File) -> None:
        self._file = file

    def read_at(self, offset: int, n_bytes: int) -> bytes:
        return bytes(self._file.content[offset : offset + n_bytes])

    def close(self) -> None:
        pass


def _survived(folder: _Folder, choice: random.Random) -> _Folder:
    """Each entry's fate is its own: a name that was not synced may be there or not, new or as it was."""
    fresh = _Folder()
    for name in {**folder.synced, **folder.entries}:
        before, after = folder.synced.get(name), folder.entries.get(name)
        kept = before if before is after else choice.choice([before, after])
        if isinstance(kept, _Folder):
            fresh.entries[name] = _survived(kept, choice)
        elif kept is not None:
            fresh.entries[name] = _survived_file(kept, choice)
    fresh.synced = dict(fresh.entries)
    return fresh


def _survived_file(file: _File, choice: random.Random) -> _File:
    """What was synced is there; what was written since may be there in part, or as zeros."""
    content = bytearray(file.synced)
    more = bytes(file.content[len(content) :])
    if more:
        n_kept = choice.randint(0, len(more))
        content += choice.choice([more[:n_kept], bytes(n_kept)])
    return _File(content=content, synced=bytes(content), modified_at=file.modified_at)


def _dump(folder: _Folder, target: Path) -> None:
    target.mkdir(parents=True)
    for name, entry in folder.entries.items():
        if isinstance(entry, _Folder):
            _dump(entry, target / name)
        else:
            (target / name).write_bytes(entry.content)
