"""Anchors: the chain's value at a seal, kept where whoever can rewrite the ledger cannot.

A file of anchors has one canonical JSON object a line: `ledger`, `key`, `seq`, `chain` (both hexadecimal) and `at`
(nanoseconds since the epoch, UTC). A ledger that was rewritten or cut behind an anchor no longer has that value there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glassproof import canonical

_BEGIN = b'{"at":'
_KINDS = {"ledger": str, "key": str, "seq": int, "chain": str, "at": int}


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
    """The anchors of a file. Lines that a crash cut off are left out. Raises BadAnchor and OSError."""
    return list(_parsed(path.read_bytes().split(b"\n"), path))


def _parsed(lines: Iterable[bytes], path: Path) -> Iterable[Anchor]:
    for number, line in enumerate(lines, start=1):
        if not line.strip(b"\0 \r\t") or _is_torn(line):
            continue
        try:
            yield _anchor(json.loads(line))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise BadAnchor(f"{path}, line {number}: not an anchor ({error!r})") from error


def _is_torn(line: bytes) -> bool:
    """Whether it is the beginning of an anchor's line, and no more."""
    return _BEGIN.startswith(line[: len(_BEGIN)]) and b"}" not in line


def _anchor(fields: dict[str, Any]) -> Anchor:
    for name, kind in _KINDS.items():
        if type(fields[name]) is not kind:
            raise TypeError(f"{name} is not of type {kind.__name__}")
    return Anchor(**{name: fields[name] for name in _KINDS})
