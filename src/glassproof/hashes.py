"""How records are chained and gathered under one root. SHA-256 throughout, each use with a prefix byte of its own."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

SIZE = 32
NOTHING = bytes(SIZE)
"""What the first segment follows."""

_LEAF, _NODE, _LINK, _START = b"\x00", b"\x01", b"\x02", b"\x03"


def leaf(body: bytes) -> bytes:
    """The hash of one record (RFC 6962, section 2.1)."""
    return hashlib.sha256(_LEAF + body).digest()


def link(previous: bytes, body_leaf: bytes) -> bytes:
    """The chain's value after a record."""
    return hashlib.sha256(_LINK + previous + body_leaf).digest()


def start(previous: bytes, header: bytes) -> bytes:
    """The chain's value at the start of a segment, which follows the chain's value before it."""
    return hashlib.sha256(_START + previous + header).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """The Merkle tree hash of leaf hashes (RFC 6962, section 2.1)."""
    if not leaves:
        return hashlib.sha256().digest()
    level = list(leaves)
    while len(level) > 1:
        pairs = [_node(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = pairs + level[len(pairs) * 2 :]
    return level[0]


def proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """What shows, with the leaf, that it is under the root: the hashes beside its way up, from below."""
    way, level = [], list(leaves)
    while len(level) > 1:
        beside = index ^ 1
        if beside < len(level):
            way.append(level[beside])
        pairs = [_node(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = pairs + level[len(pairs) * 2 :]
        index //= 2
    return way


def proves(body_leaf: bytes, index: int, size: int, way: Sequence[bytes], expected: bytes) -> bool:
    """Whether a leaf is number `index` of `size` under the root `expected` (RFC 9162, section 2.1.3.2)."""
    rest, here = list(way), body_leaf
    while size > 1:
        if index ^ 1 < size:
            if not rest:
                return False
            beside = rest.pop(0)
            here = _node(beside, here) if index & 1 else _node(here, beside)
        index, size = index // 2, (size + 1) // 2
    return not rest and here == expected


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(_NODE + left + right).digest()
