"""The checksums that clients of S3 send and verify. All in base64, as they travel."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from awscrt import checksums as crt

from glasshouse.kernel.catalog import Checksum, ChecksumType
from glasshouse.kernel.objects import faults

DEFAULT: Final = "CRC64NVME"
"""What is computed when the client names no algorithm, as S3 does."""


class Running(Protocol):
    """A checksum of what came so far."""

    def update(self, data: bytes, /) -> None: ...
    def digest(self) -> bytes: ...


class _Crc:
    def __init__(self, step: Callable[[bytes, int], int], n_bytes: int) -> None:
        self._step = step
        self._n_bytes = n_bytes
        self._value = 0

    def update(self, data: bytes, /) -> None:
        self._value = self._step(data, self._value)

    def digest(self) -> bytes:
        return self._value.to_bytes(self._n_bytes, "big")


_STARTS: Final[Mapping[str, tuple[Callable[[], Running], int]]] = {
    "CRC32": (lambda: _Crc(crt.crc32, 4), 4),
    "CRC32C": (lambda: _Crc(crt.crc32c, 4), 4),
    "CRC64NVME": (lambda: _Crc(crt.crc64nvme, 8), 8),
    "SHA1": (lambda: hashlib.sha1(usedforsecurity=False), 20),
    "SHA256": (hashlib.sha256, 32),
}
ALGORITHMS: Final = frozenset(_STARTS)

_TYPES: Final[Mapping[str, tuple[ChecksumType, ...]]] = {
    "CRC32": ("COMPOSITE", "FULL_OBJECT"),
    "CRC32C": ("COMPOSITE", "FULL_OBJECT"),
    "CRC64NVME": ("FULL_OBJECT",),
    "SHA1": ("COMPOSITE",),
    "SHA256": ("COMPOSITE",),
}
"""What a multipart upload may ask for; the first is what it gets when it asks for nothing."""


def start(algorithm: str) -> Running:
    """Raises InvalidRequest for an algorithm that is not offered."""
    if algorithm not in ALGORITHMS:
        raise faults.InvalidRequest(f"The checksum algorithm {algorithm} is not offered.")
    return _STARTS[algorithm][0]()


def encoded(digest: bytes) -> str:
    return base64.b64encode(digest).decode("ascii")


def decoded(algorithm: str, value: str) -> bytes:
    """The bytes of a checksum. Raises InvalidRequest when they are none of the algorithm."""
    try:
        digest = base64.b64decode(value, validate=True)
    except binascii.Error:
        digest = b""
    if algorithm not in ALGORITHMS or len(digest) != _STARTS[algorithm][1]:
        raise faults.InvalidRequest(f"Value for x-amz-checksum-{algorithm.lower()} header is invalid.")
    return digest


def type_for(algorithm: str, wanted: str) -> ChecksumType:
    """The type of checksum that a multipart upload gets. Raises InvalidRequest for one the algorithm has not."""
    if algorithm not in _TYPES:
        raise faults.InvalidRequest(f"The checksum algorithm {algorithm} is not offered.")
    for offered in _TYPES[algorithm]:
        if wanted in ("", offered):
            return offered
    raise faults.InvalidRequest(f"The {wanted} checksum type cannot be used with the {algorithm} algorithm.")


def composite(algorithm: str, values: Sequence[str]) -> Checksum:
    """The checksum of the parts' checksums."""
    running = start(algorithm)
    for value in values:
        running.update(decoded(algorithm, value))
    return Checksum(algorithm=algorithm, value=f"{encoded(running.digest())}-{len(values)}", type="COMPOSITE")
