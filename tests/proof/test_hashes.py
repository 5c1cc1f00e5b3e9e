"""Merkle roots and proofs against RFC 6962's own definition, signatures against another implementation."""

from __future__ import annotations

import hashlib

import hypothesis.strategies as st
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings

from glassproof import ed25519, hashes

leaves = st.lists(st.binary(max_size=8).map(hashes.leaf), max_size=40)


def by_definition(level: list[bytes]) -> bytes:
    if not level:
        return hashlib.sha256().digest()
    if len(level) == 1:
        return level[0]
    split = 1
    while split * 2 < len(level):
        split *= 2
    return hashlib.sha256(b"\x01" + by_definition(level[:split]) + by_definition(level[split:])).digest()


@given(leaves)
def test_a_root_is_the_standards(found: list[bytes]) -> None:
    assert hashes.root(found) == by_definition(found)


@given(leaves.filter(bool), st.data())
def test_a_leaf_is_proved_and_no_other_is(found: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(found) - 1))
    way, root = hashes.proof(found, index), hashes.root(found)
    assert hashes.proves(found[index], index, len(found), way, root)
    assert not hashes.proves(hashes.leaf(b"another, longer"), index, len(found), way, root)
    assert not hashes.proves(found[index], index, len(found), [*way, root], root)


@settings(max_examples=10)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=200), st.integers(0, 511))
def test_a_signature_is_verified_and_no_bit_of_it_can_change(seed: bytes, message: bytes, bit: int) -> None:
    key = Ed25519PrivateKey.from_private_bytes(seed)
    public, signature = key.public_key().public_bytes_raw(), key.sign(message)
    assert ed25519.verify(public, message, signature)
    changed = (int.from_bytes(signature, "big") ^ 1 << bit).to_bytes(64, "big")
    assert not ed25519.verify(public, message, changed)
    assert not ed25519.verify(public, message + b"x", signature)


def test_what_is_no_key_or_no_signature_verifies_nothing() -> None:
    assert not ed25519.verify(b"\xff" * 32, b"", b"\x00" * 64)
    assert not ed25519.verify(b"", b"", b"")
