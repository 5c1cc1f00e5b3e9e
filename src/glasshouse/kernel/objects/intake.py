"""Content on its way into a blob: checksums are computed as it passes and compared at the end."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

from glasshouse.kernel.catalog import Checksum
from glasshouse.kernel.objects import checksums, faults
from glasshouse.kernel.ports import Blob, BlobWriter


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """Durable content that has no name yet. `etag` is its MD5 in hexadecimal."""

    blob: Blob
    etag: str
    checksum: Checksum


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the sender says of the content: its MD5 (base64), SHA-256 (hexadecimal), checksum (base64) and size."""

    md5: str = ""
    sha256: str = ""
    checksum: str = ""
    size_bytes: int | None = None


NOTHING = Expected()


class Intake:
    """Takes in one object's content. Use as a context manager: what was not finished is thrown away."""

    def __init__(self, writer: BlobWriter, *, algorithm: str = checksums.DEFAULT) -> None:
        self._writer = writer
        self._algorithm = algorithm
        self._checksum = checksums.start(algorithm)
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._size_bytes = 0
        self._is_open = True

    def __enter__(self) -> Intake:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.abort()

    def send(self, chunk: bytes) -> None:
        self._size_bytes += len(chunk)
        self._writer.send(chunk)
        self._md5.update(chunk)
        self._checksum.update(chunk)

    def finish(self, expected: Expected = NOTHING) -> Stored:
        """Makes the content durable. Raises a fault, and leaves nothing, when it is not what was expected."""
        self._compare(expected)
        blob = self._writer.commit()
        self._is_open = False
        if expected.sha256 and expected.sha256 != blob.digest:
            raise faults.ContentMismatch
        value = checksums.encoded(self._checksum.digest())
        return Stored(
            blob=blob,
            etag=self._md5.hexdigest(),
            checksum=Checksum(algorithm=self._algorithm, value=value),
        )

    def abort(self) -> None:
        if self._is_open:
            self._is_open = False
            self._writer.abort()

    def _compare(self, expected: Expected) -> None:
        if expected.size_bytes is not None and expected.size_bytes != self._size_bytes:
            raise faults.IncompleteBody
        if expected.md5 and _md5_of(expected.md5) != self._md5.digest():
            raise faults.BadDigest("Content-MD5")
        if expected.checksum:
            wanted = checksums.decoded(self._algorithm, expected.checksum)
            if wanted != self._checksum.digest():
                raise faults.BadDigest(self._algorithm)


def _md5_of(header: str) -> bytes:
    try:
        digest = base64.b64decode(header, validate=True)
    except binascii.Error:
        digest = b""
    if len(digest) != 16:
        raise faults.InvalidDigest("Content-MD5")
    return digest
