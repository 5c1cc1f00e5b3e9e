"""The few calls on a file system that durability hangs on, so that a test can lose what was not synced."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Protocol


class Output(Protocol):
    def write(self, data: bytes) -> None:
        """Writes all of it."""

    def sync(self, modified_at: float | None = None) -> None:
        """Makes the content durable, and that time of its last change if one is given."""

    def close(self) -> None: ...


class Input(Protocol):
    def read_at(self, offset: int, n_bytes: int) -> bytes:
        """Fewer bytes only at the end of the file."""

    def close(self) -> None: ...


class Disk(Protocol):
    """Nothing here is durable before it was synced: content by its file, a name by its directory."""

    def is_directory(self, path: Path) -> bool: ...
    def make_directory(self, path: Path) -> None:
        """Nothing happens when it is there."""

    def create(self, path: Path) -> Output:
        """A new file, which only its owner may read. Raises FileExistsError."""

    def extend(self, path: Path) -> Output:
        """An existing file, to write on at its end. Raises FileNotFoundError."""

    def open(self, path: Path) -> Input:
        """Raises FileNotFoundError."""

    def rename(self, source: Path, target: Path) -> None:
        """In one step, in place of what `target` was."""

    def remove(self, path: Path) -> None:
        """Raises FileNotFoundError."""

    def shred(self, path: Path) -> None:
        """Overwrites the content in place, durably, and removes the file. Raises FileNotFoundError."""

    def sync_directory(self, path: Path) -> None: ...
    def names(self, path: Path) -> list[str]:
        """What is in the directory; nothing when there is none."""

    def modified_at(self, path: Path) -> float:
        """Raises FileNotFoundError."""


class RealDisk:
    """The operating system's."""

    def is_directory(self, path: Path) -> bool:
        return path.is_dir()

    def make_directory(self, path: Path) -> None:
        path.mkdir(mode=0o700, exist_ok=True)

    def create(self, path: Path) -> Output:
        return _Output(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))

    def extend(self, path: Path) -> Output:
        return _Output(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC))

    def open(self, path: Path) -> Input:
        return _Input(os.open(path, os.O_RDONLY | os.O_CLOEXEC))

    def rename(self, source: Path, target: Path) -> None:
        source.replace(target)

    def remove(self, path: Path) -> None:
        path.unlink()

    def shred(self, path: Path) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.pwrite(descriptor, bytes(os.fstat(descriptor).st_size), 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        path.unlink()

    def sync_directory(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def names(self, path: Path) -> list[str]:
        try:
            return os.listdir(path)  # noqa: PTH208 (a Path per blob would be waste)
        except FileNotFoundError:
            return []

    def modified_at(self, path: Path) -> float:
        return path.stat().st_mtime


class _Descriptor:
    """A file descriptor that is closed once, at the latest when nobody holds it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        with contextlib.suppress(OSError):
            self.close()


class _Output(_Descriptor):
    def write(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._descriptor, rest) :]

    def sync(self, modified_at: float | None = None) -> None:
        if modified_at is None:
            os.fdatasync(self._descriptor)
            return
        os.utime(self._descriptor, (modified_at, modified_at))
        os.fsync(self._descriptor)


class _Input(_Descriptor):
    def read_at(self, offset: int, n_bytes: int) -> bytes:
        return os.pread(self._descriptor, n_bytes, offset)
