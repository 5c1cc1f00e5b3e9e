"""Verifies what AWS clients sign: Signature Version 4 in headers, in presigned URLs and over chunks, and S3's Version 2."""

from glasshouse.kernel.signatures.chunks import ChunkVerifier
from glasshouse.kernel.signatures.head import Head
from glasshouse.kernel.signatures.payload import Chunked, Hashed, Payload, Unsigned
from glasshouse.kernel.signatures.verify import Verified, Verifier

__all__ = ["ChunkVerifier", "Chunked", "Hashed", "Head", "Payload", "Unsigned", "Verified", "Verifier"]
