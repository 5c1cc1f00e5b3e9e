"""Signatures of the frames of an aws-chunked body: each covers its data and the signature before it."""

from __future__ import annotations

import hashlib
import hmac

from glasshouse.kernel.signatures import refusals

_OF_NOTHING = hashlib.sha256(b"").hexdigest()


class ChunkVerifier:
    """Checks the frames of one body, in order. Not for use by more than one body."""

    def __init__(self, *, key: bytes, timestamp: str, scope: str, seed: str) -> None:
        self._key = key
        self._timestamp = timestamp
        self._scope = scope
        self._previous = seed

    def chunk(self, sha256: str, signature: str) -> None:
        """Checks a frame by the hexadecimal SHA-256 of its data; the last frame's data is empty.

        Raises errors.Unauthenticated when the signature is not the frame's.
        """
        self._check("AWS4-HMAC-SHA256-PAYLOAD", [_OF_NOTHING, sha256], signature)

    def trailer(self, text: bytes, signature: str) -> None:
        """Checks the trailing headers, given as lines "name:value\\n" in the order received."""
        self._check("AWS4-HMAC-SHA256-TRAILER", [hashlib.sha256(text).hexdigest()], signature)

    def _check(self, algorithm: str, hashes: list[str], signature: str) -> None:
        text = "\n".join([algorithm, self._timestamp, self._scope, self._previous, *hashes])
        expected = hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected.encode(), signature.encode()):
            raise refusals.refusal("s3", "mismatch")
        self._previous = expected
