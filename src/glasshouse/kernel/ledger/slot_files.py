"""Files of slots: one wrapped key each, under a key of the file's own, which a wrapping key protects in turn.

    GLASSKEYS001 | file key, wrapped | { u64 slot | mark, 16 bytes | key, wrapped } ...

Slots of a file are numbered from the one in its name on, without a gap; the second number of the name is the generation: a
key is destroyed by a next generation without it, after which the one before is overwritten. A wrapped key is nonce (12), ciphertext (32) and tag
(16) of AES-256-GCM; zeros where the key was destroyed.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from glasshouse.kernel.disk import Disk, Output
from glasshouse.kernel.ledger import secret_files

SUFFIX = ".keys"
MARK = 16
NO_MARK = bytes(MARK)
_MAGIC = b"GLASSKEYS001"
_NONCE, _TAG = 12, 16
_WRAPPED = _NONCE + secret_files.SIZE + _TAG
_DESTROYED = bytes(_WRAPPED)
_HEADER = len(_MAGIC) + _WRAPPED
_ENTRY = struct.Struct(f">Q{MARK}s{_WRAPPED}s")


class Damaged(ValueError):
    """A file that does not begin as a file of slots does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    number: int
    mark: bytes
    wrapped: bytes

    @property
    def is_destroyed(self) -> bool:
        return self.wrapped == _DESTROYED


class SlotFile:
    """One file. Slots are added at its end by who made it in this process; later processes only read."""

    def __init__(self, path: Path, wrapping: AESGCM, disk: Disk, *, made: bytes | None = None) -> None:
        self.path = path
        self.first, self.generation = _numbers(path.name)
        self._disk, self._wrapping = disk, wrapping
        self._cipher = AESGCM(made) if made else None

    @classmethod
    def make(cls, folder: Path, first: int, wrapping: AESGCM, disk: Disk) -> tuple[SlotFile, Output]:
        """A new, empty file, and what slots are written to. Raises OSError."""
        path, key = folder / _name(first, 1), secrets.token_bytes(secret_files.SIZE)
        if path.name in disk.names(folder):  # begun when the disk was full: no slot of it was given out
            disk.shred(path)
        output = disk.create(path)
        try:
            output.write(_header(key, path.name, wrapping))
            disk.sync_directory(folder)
        except OSError:
            output.close()
            raise
        return cls(path, wrapping, disk, made=key), output

    def entry(self, number: int, mark: bytes, key: bytes) -> bytes:
        """The bytes of a slot."""
        return _ENTRY.pack(number, mark, _wrap(self._own(), key, str(number)))

    def slots(self) -> Iterator[Slot]:
        """All that is whole."""
        content = self._read(_HEADER, None)
        for index in range(len(content) // _ENTRY.size):
            number, mark, wrapped = _ENTRY.unpack_from(content, index * _ENTRY.size)
            if number != self.first + index:
                return
            yield Slot(number=number, mark=mark, wrapped=wrapped)

    def key(self, number: int) -> bytes | None:
        """The key in a slot; None when it was destroyed. Raises cryptography's InvalidTag when it was changed."""
        content = self._read(_HEADER + (number - self.first) * _ENTRY.size, _ENTRY.size)
        if len(content) < _ENTRY.size:
            return None
        found, mark, wrapped = _ENTRY.unpack(content)
        slot = Slot(number=found, mark=mark, wrapped=wrapped)
        return None if slot.is_destroyed or found != number else _unwrap(self._own(), wrapped, str(number))

    def without(self, numbers: Collection[int]) -> SlotFile:
        """Destroys keys: the next generation of the file, with a new file key; this one is overwritten."""
        key, own = secrets.token_bytes(secret_files.SIZE), self._own()
        cipher, entries = AESGCM(key), []
        for slot in self.slots():
            if slot.number in numbers or slot.is_destroyed:
                entries.append(_ENTRY.pack(slot.number, NO_MARK, _DESTROYED))
            else:
                raw = _unwrap(own, slot.wrapped, str(slot.number))
                entries.append(_ENTRY.pack(slot.number, slot.mark, _wrap(cipher, raw, str(slot.number))))
        path = self.path.with_name(_name(self.first, self.generation + 1))
        content = _header(key, path.name, self._wrapping) + b"".join(entries)
        secret_files.write_whole(path, content, self._disk)
        self._disk.shred(self.path)
        self._disk.sync_directory(path.parent)
        return SlotFile(path, self._wrapping, self._disk, made=key)

    def _own(self) -> AESGCM:
        if self._cipher is None:
            header = self._read(0, _HEADER)
            if len(header) < _HEADER or not header.startswith(_MAGIC):
                raise Damaged(f"{self.path} does not begin as a file of keys does; restore it from a backup.")
            self._cipher = AESGCM(_unwrap(self._wrapping, header[len(_MAGIC) :], self.path.name))
        return self._cipher

    def _read(self, offset: int, n_bytes: int | None) -> bytes:
        file = self._disk.open(self.path)
        try:
            return file.read_at(offset, 1 << 30 if n_bytes is None else n_bytes)
        finally:
            file.close()


def names(folder: Path, disk: Disk) -> list[str]:
    """The files of a folder, in order of their slots, each in its newest generation."""
    newest: dict[int, str] = {}
    for name in sorted(name for name in disk.names(folder) if name.endswith(SUFFIX)):
        newest[_numbers(name)[0]] = name
    return sorted(newest.values())


def clear(folder: Path, disk: Disk) -> None:
    """Overwrites what a crash left behind of older generations, and of files half written."""
    wanted = set(names(folder, disk))
    for name in disk.names(folder):
        if name.endswith((SUFFIX, f"{SUFFIX}.new")) and name not in wanted:
            disk.shred(folder / name)
    disk.sync_directory(folder)


def _name(first: int, generation: int) -> str:
    return f"{first:016d}-{generation:08d}{SUFFIX}"


def _numbers(name: str) -> tuple[int, int]:
    """The first slot and the generation that a file name tells."""
    first, generation = name.removesuffix(SUFFIX).split("-")
    return int(first), int(generation)


def _header(key: bytes, name: str, wrapping: AESGCM) -> bytes:
    return _MAGIC + _wrap(wrapping, key, name)


def _wrap(cipher: AESGCM, key: bytes, bound_to: str) -> bytes:
    nonce = secrets.token_bytes(_NONCE)
    return nonce + cipher.encrypt(nonce, key, bound_to.encode())


def _unwrap(cipher: AESGCM, wrapped: bytes, bound_to: str) -> bytes:
    return cipher.decrypt(wrapped[:_NONCE], wrapped[_NONCE:], bound_to.encode())
