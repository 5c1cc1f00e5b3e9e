"""Seals: signed records that gather all records since the seal before under one Merkle root."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from glassproof import canonical, ed25519

KIND = "seal"
SIGNED = ("ledger", "first", "last", "root", "chain", "at", "key")
"""The members of a seal that its signature covers: the records first..last, their root, the chain's value after them."""


def message(seal: Mapping[str, Any]) -> bytes:
    """What is signed. Raises KeyError when a member is missing."""
    return b"glasshouse seal 1\n" + canonical.encode({name: seal[name] for name in SIGNED})


def is_signed(seal: Mapping[str, Any]) -> bool:
    """Whether the key that the seal names has signed it."""
    try:
        key, signature = bytes.fromhex(seal["key"]), bytes.fromhex(seal["signature"])
        return ed25519.verify(key, message(seal), signature)
    except (KeyError, TypeError, ValueError, canonical.NotCanonical):
        return False
