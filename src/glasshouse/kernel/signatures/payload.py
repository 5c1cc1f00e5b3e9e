"""What the signature says about the body, for whoever reads it."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass

from glasshouse.kernel import errors
from glasshouse.kernel.signatures.chunks import ChunkVerifier

UNSIGNED = "UNSIGNED-PAYLOAD"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_CHUNKS_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hashed:
    """The signature covers the SHA-256 of the whole body."""

    sha256: str

    def check(self, sha256: str) -> None:
        """Raises errors.Unauthenticated unless the hash of the body read is the signed one."""
        if not hmac.compare_digest(self.sha256.encode(), sha256.encode()):
            raise errors.Unauthenticated(
                "The provided 'x-amz-content-sha256' header does not match what was computed.",
                code="XAmzContentSHA256Mismatch",
                status=400,
            )

    def check_body(self, body: bytes) -> None:
        self.check(hashlib.sha256(body).hexdigest())


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsigned:
    """The signature says nothing of the body. `chunked`: it comes in aws-chunked frames with a trailer."""

    chunked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunked:
    """The body comes in aws-chunked frames, each signed. `trailer`: a signed trailer ends it."""

    verifier: ChunkVerifier
    trailer: bool = False


Payload = Hashed | Unsigned | Chunked
