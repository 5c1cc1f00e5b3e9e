"""The ledger's own keys: a master key that subject keys are wrapped with, and the key that signs seals."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from glasshouse.kernel.disk import Disk

SIZE = 32
_MASTER, _SIGNING = "master.key", "signing.key"


class DamagedKey(ValueError):
    """A key file that does not hold a key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """Never logged, never in an error, never in a repr."""

    master: bytes
    signing: Ed25519PrivateKey

    def __repr__(self) -> str:
        return "Secrets(...)"

    def derived(self, purpose: str) -> bytes:
        """32 bytes for one purpose, from the master key (HKDF-SHA256, RFC 5869)."""
        return HKDF(
            algorithm=hashes.SHA256(), length=SIZE, salt=None, info=f"glasshouse ledger {purpose}".encode()
        ).derive(self.master)

    @property
    def ledger_id(self) -> str:
        """What a ledger with these keys is called, also when its segments are gone. Hexadecimal."""
        named = hashlib.sha256(b"glasshouse ledger " + self.public_key.encode())
        return named.hexdigest()[:32]

    @property
    def public_key(self) -> str:
        """Hexadecimal."""
        return self.signing.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def load_or_make(folder: Path, disk: Disk) -> Secrets:
    """The keys in `folder`, made at the first start. Raises DamagedKey."""
    master, signing = _loaded_or_made(folder / _MASTER, disk), _loaded_or_made(folder / _SIGNING, disk)
    return Secrets(master=master, signing=Ed25519PrivateKey.from_private_bytes(signing))


def load(folder: Path, disk: Disk) -> Secrets:
    """The keys in `folder`. Raises DamagedKey, also when there are none."""
    for name in (_MASTER, _SIGNING):
        if name not in disk.names(folder):
            raise DamagedKey(f"There is no {folder / name}; restore it from a backup.")
    return load_or_make(folder, disk)


def _loaded_or_made(path: Path, disk: Disk) -> bytes:
    if path.name in disk.names(path.parent):
        file = disk.open(path)
        try:
            found = file.read_at(0, SIZE + 1)
        finally:
            file.close()
        if len(found) != SIZE or found == bytes(SIZE):
            raise DamagedKey(f"{path} does not hold a key of {SIZE} bytes; restore it from a backup.")
        return found
    made = secrets.token_bytes(SIZE)
    write_whole(path, made, disk)
    return made


def make_folder(path: Path, disk: Disk) -> None:
    """A folder that is there durably. Its parent must be."""
    disk.make_directory(path)
    disk.sync_directory(path.parent)


def write_whole(path: Path, content: bytes, disk: Disk) -> None:
    """A new file that is there durably with all of its content, or not at all."""
    beside = path.with_name(path.name + ".new")
    if beside.name in disk.names(path.parent):
        disk.shred(beside)
    output = disk.create(beside)
    try:
        output.write(content)
        output.sync()
    finally:
        output.close()
    disk.rename(beside, path)
    disk.sync_directory(path.parent)
