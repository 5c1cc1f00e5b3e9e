"""Everything that decides, as bytes with one digest: the rule, and the model in its portable form.

bytes 0-15   b"glasskit.decider"
bytes 16-23  length of the rule, unsigned, little-endian
rule         JSON, UTF-8, keys sorted, no spaces: `rule`, `form` 1, and `trees`: a digest of every tree
model        the portable form (`trees.portable`)
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import struct
from typing import Any

from glasskit import trees
from glasskit.decisions import rules
from glasskit.trees import portable

MAGIC = b"glasskit.decider"
FORM = 1
_BEGIN = len(MAGIC) + 8


class BundleUnreadable(ValueError):
    """Bytes that are no bundle, or that are not what they were; the text says which part, down to the tree."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bundle:
    """A rule and a model."""

    rule: rules.Rule
    ensemble: trees.Ensemble

    def to_bytes(self) -> bytes:
        """The canonical bytes."""
        head = {"form": FORM, "rule": self.rule.as_dict(), "trees": tree_digests(self.ensemble)}
        text = json.dumps(head, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
        return b"".join([MAGIC, struct.pack("<Q", len(text)), text, portable.to_bytes(self.ensemble)])


def digest(data: bytes) -> str:
    """SHA-256, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def tree_digests(ensemble: trees.Ensemble) -> list[str]:
    """A digest of every tree's arrays, 16 hexadecimal digits each: they name the tree that was changed."""
    return [
        hashlib.sha256(
            b"".join(getattr(tree, name).astype(kind).tobytes() for name, kind in portable.ARRAYS)
        ).hexdigest()[:16]
        for tree in ensemble.trees
    ]


def from_bytes(data: bytes, *, expected: str) -> Bundle:
    """The bundle with this digest. Raises BundleUnreadable, which names what was changed."""
    bundle, recorded = _parsed(data)
    odd = [
        index
        for index, (now, then) in enumerate(zip(tree_digests(bundle.ensemble), recorded, strict=True))
        if now != then
    ]
    if odd:
        named = ", ".join(map(str, odd[:10]))
        raise BundleUnreadable(f"tree {named} of the stored model is not the one that was recorded")
    if digest(data) != expected:
        raise BundleUnreadable(
            f"the stored model has the digest {digest(data)}, and {expected} was recorded: "
            "its rule, its features or its base values were changed"
        )
    return bundle


def _parsed(data: bytes) -> tuple[Bundle, list[str]]:
    """Reads, and checks nothing but the form."""
    if not data.startswith(MAGIC) or len(data) < _BEGIN:
        raise BundleUnreadable(f"it does not start with {MAGIC.decode()!r}")
    (length,) = struct.unpack("<Q", data[len(MAGIC) : _BEGIN])
    try:
        head: dict[str, Any] = json.loads(data[_BEGIN : _BEGIN + length])
        if head["form"] != FORM:
            raise BundleUnreadable(f"it is of form {head['form']}, and this version reads form {FORM}")
        rule = rules.Rule.read(head["rule"])
        ensemble = portable.from_bytes(data[_BEGIN + length :])
        recorded = [str(one) for one in head["trees"]]
    except (KeyError, TypeError, ValueError, trees.TreesError) as error:
        raise BundleUnreadable(f"it is garbled: {error}") from error
    if len(recorded) != len(ensemble.trees):
        raise BundleUnreadable(f"it has {len(ensemble.trees)} trees, and {len(recorded)} were recorded")
    return Bundle(rule=rule, ensemble=ensemble), recorded
