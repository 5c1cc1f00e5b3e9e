"""Blobs in a local directory: <root>/<domain>/<first two digits>/<digest>, and <root>/<domain>/incoming while written.

A writer fills a file of its own under `incoming`, syncs it, renames it to its address and syncs the directory.
So what has an address is complete, and what `commit` returned survives a power cut. Writing content that is
there already replaces it by the same bytes: that renews its age, and makes it durable whoever wrote it first.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

from glasshouse.engines.files import envelope
from glasshouse.kernel import disk as disks
from glasshouse.kernel import ids
from glasshouse.kernel.clock import Clock
from glasshouse.kernel.ports import PLAIN, Blob

CHUNK_BYTES = 1 << 20
_INCOMING = "incoming"


class LocalFiles:
    """The files port over a directory. Any number of threads and processes may use one directory."""

    def __init__(
        self, root: Path, *, clock: Clock, disk: disks.Disk | None = None, domain: str = PLAIN
    ) -> None:
        self._clock = clock
        self._disk = disk or disks.RealDisk()
        self._root = root
        self._domain = domain
        self._folder = root / domain
        self._settled: set[Path] = set()

    def writer(self) -> LocalWriter:
        path = self._settle(self._folder / _INCOMING) / ids.token()
        publish = functools.partial(self._publish, path)
        return LocalWriter(self._disk, path, domain=self._domain, clock=self._clock, publish=publish)

    def read(self, digest: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        source = self._open(digest)
        try:
            offset = envelope.content_start(source.read_at(0, envelope.MOST_BYTES), domain=self._domain)
        except envelope.NotABlob:
            source.close()
            raise
        return _chunks(source, offset + start, None if stop is None else offset + stop)

    def exists(self, digest: str) -> bool:
        try:
            self.written_at(digest)
        except KeyError:
            return False
        return True

    def written_at(self, digest: str) -> float:
        try:
            return self._disk.modified_at(self._address(digest))
        except FileNotFoundError:
            raise KeyError(digest) from None

    def remove(self, digest: str) -> None:
        with contextlib.suppress(FileNotFoundError, KeyError):
            self._disk.remove(self._address(digest))

    def digests(self) -> Iterator[str]:
        for shard in self._disk.names(self._folder):
            if len(shard) == 2:
                yield from filter(envelope.is_digest, self._disk.names(self._folder / shard))

    def remove_unfinished(self, before: float) -> int:
        n_removed = 0
        for name in self._disk.names(self._folder / _INCOMING):
            path = self._folder / _INCOMING / name
            with contextlib.suppress(FileNotFoundError):
                if self._disk.modified_at(path) < before:
                    self._disk.remove(path)
                    n_removed += 1
        return n_removed

    def _open(self, digest: str) -> disks.Input:
        try:
            return self._disk.open(self._address(digest))
        except FileNotFoundError:
            raise KeyError(digest) from None

    def _address(self, digest: str) -> Path:
        if not envelope.is_digest(digest):
            raise KeyError(digest)
        return self._folder / digest[:2] / digest

    def _settle(self, folder: Path) -> Path:
        """Makes the folder and sees to it that its name is durable, once for each folder and process."""
        if folder in self._settled:
            return folder
        if folder != self._root or not self._disk.is_directory(folder.parent):
            self._settle(folder.parent)
        self._disk.make_directory(folder)
        self._disk.sync_directory(folder.parent)
        self._settled.add(folder)
        return folder

    def _publish(self, written: Path, digest: str) -> None:
        address = self._address(digest)
        self._settle(address.parent)
        self._disk.rename(written, address)
        self._disk.sync_directory(address.parent)


class LocalWriter:
    """One blob being written. An abandoned one leaves a file under `incoming` until that is cleared."""

    def __init__(
        self, disk: disks.Disk, path: Path, *, domain: str, clock: Clock, publish: Callable[[str], None]
    ) -> None:
        self._disk = disk
        self._clock = clock
        self._path = path
        self._domain = domain
        self._publish = publish
        self._hash = hashlib.sha256()
        self._size_bytes = 0
        self._output = disk.create(path)
        self._output.write(envelope.encode(envelope.Envelope(domain=domain)))

    def send(self, chunk: bytes) -> None:
        self._output.write(chunk)
        self._hash.update(chunk)
        self._size_bytes += len(chunk)

    def commit(self) -> Blob:
        digest = self._hash.hexdigest()
        self._output.sync(self._clock.now())
        self._output.close()
        self._publish(digest)
        return Blob(digest=digest, size_bytes=self._size_bytes, domain=self._domain)

    def abort(self) -> None:
        self._output.close()
        with contextlib.suppress(FileNotFoundError):
            self._disk.remove(self._path)


def _chunks(source: disks.Input, offset: int, stop: int | None) -> Iterator[bytes]:
    try:
        while stop is None or offset < stop:
            wanted = CHUNK_BYTES if stop is None else min(CHUNK_BYTES, stop - offset)
            chunk = source.read_at(offset, wanted)
            if not chunk:
                return
            yield chunk
            offset += len(chunk)
    finally:
        source.close()
