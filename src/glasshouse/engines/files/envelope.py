"""The header in front of every stored blob: which format, and which key of which domain encrypts the rest.

    8 bytes   magic: \\x89 G H B L O B \\n
    1 byte    version, 1
    1 byte    zero
    2 bytes   length of what follows, big-endian
    n bytes   JSON in UTF-8: {"domain": "plain", "key": "none"}

The content follows at once. A reader that does not know the version, or has not got the key, refuses the blob.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

import orjson

from glasshouse.kernel.ports import PLAIN

MAGIC = b"\x89GHBLOB\n"
VERSION = 1
NO_KEY = "none"
_FIXED = struct.Struct(">8sBBH")
MOST_BYTES = _FIXED.size + 1024
"""No header is longer."""

_DIGEST = re.compile(r"[0-9a-f]{64}")


class NotABlob(RuntimeError):
    """What is stored at a blob's address cannot be read as one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """`key` is the id of the key that encrypts the content, or "none"."""

    domain: str = PLAIN
    key: str = NO_KEY


def encode(envelope: Envelope) -> bytes:
    rest = orjson.dumps({"domain": envelope.domain, "key": envelope.key})
    return _FIXED.pack(MAGIC, VERSION, 0, len(rest)) + rest


def decode(start: bytes) -> tuple[Envelope, int]:
    """The header at the beginning of `start`, and its length. Raises NotABlob."""
    if len(start) < _FIXED.size:
        raise NotABlob("The blob is shorter than its header.")
    magic, version, _, length = _FIXED.unpack_from(start)
    end = _FIXED.size + length
    if magic != MAGIC:
        raise NotABlob("The blob has no header.")
    if version != VERSION:
        raise NotABlob(f"The blob has format {version}; this version reads {VERSION}.")
    if end > MOST_BYTES or len(start) < end:
        raise NotABlob("The blob's header is cut off.")
    try:
        fields = orjson.loads(start[_FIXED.size : end])
        return Envelope(domain=fields["domain"], key=fields["key"]), end
    except (ValueError, KeyError, TypeError) as error:
        raise NotABlob("The blob's header cannot be read.") from error


def content_start(start: bytes, *, domain: str) -> int:
    """Where the content begins. Raises NotABlob unless the blob is an unencrypted one of the domain."""
    found, end = decode(start)
    if found.domain != domain:
        raise NotABlob(f"The blob belongs to the domain {found.domain}, not to {domain}.")
    if found.key != NO_KEY:
        raise NotABlob(f"The blob is encrypted with the key {found.key}, which is not here.")
    return end


def is_digest(text: str) -> bool:
    return _DIGEST.fullmatch(text) is not None
