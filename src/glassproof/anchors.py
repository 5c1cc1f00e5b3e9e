"""Anchors: the chain's value at a seal, kept where whoever can rewrite the ledger cannot.

A file of anchors has one canonical JSON object a line: `ledger`, `key`, `seq`, `chain` (both hexadecimal) and `at`
(nanoseconds since the epoch, UTC). A ledger that was rewritten or cut behind an anchor no longer has that value there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from glassproof import canonical


class BadAnchor(ValueError):
    """A file that holds something else than anchors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    ledger: str
    key: str
    seq: int
    chain: str
    at: int

    def line(self) -> bytes:
        fields = {"ledger": self.ledger, "key": self.key, "seq": self.seq, "chain": self.chain, "at": self.at}
        return canonical.encode(fields) + b"\n"


def read(path: Path) -> list[Anchor]:
    """The anchors of a file. A last line that is cut off is left out. Raises BadAnchor and OSError."""
    lines = path.read_bytes().split(b"\n")
    return list(_parsed(lines[:-1], path))


def _parsed(lines: Iterable[bytes], path: Path) -> Iterable[Anchor]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
            yield Anchor(
                ledger=str(fields["ledger"]),
                key=str(fields["key"]),
                seq=int(fields["seq"]),
                chain=str(fields["chain"]),
                at=int(fields["at"]),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise BadAnchor(f"{path}, line {number}: not an anchor ({error!r})") from error
