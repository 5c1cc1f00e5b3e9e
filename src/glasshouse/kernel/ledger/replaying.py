"""Takes recorded decisions again, from the ledger and what it keeps alone, and compares every bit.

The deciding is done by `glasskit.decisions` in a process of its own: learning libraries stay out of this one.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from glasshouse.kernel.ledger import keeping, records

Verdict = Literal["equal", "different", "refused", "erased", "opaque"]
_AT_ONCE = 64
Rerun = Callable[[Iterable[records.Entry]], Iterator["Replayed"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What became of one decision. `details` name each difference, or say why it could not be taken again."""

    id: str
    seq: int
    verdict: Verdict
    details: tuple[str, ...] = ()


def replay(
    folder: Path,
    entries: Iterable[records.Entry],
    *,
    rerun: Rerun | None = None,
    python: str = sys.executable,
) -> Iterator[Replayed]:
    """The decisions among the entries, taken again. folder: the ledger's.

    rerun: asks models whose trees could not be read again, last of all; without it their decisions are "opaque".
    """
    opaque: list[records.Entry] = []
    program = subprocess.Popen(
        [python, "-I", "-m", "glasskit.decisions", str(folder / keeping.BUNDLES)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        for group in _grouped(entry for entry in entries if entry.kind == "decision"):
            yield from _answered(program, group, opaque)
    finally:
        with contextlib.suppress(BrokenPipeError):
            program.communicate()
    if rerun is not None:
        yield from rerun(opaque)
        return
    for entry in opaque:
        details = ("its model has no trees to read",)
        yield Replayed(id=entry.id, seq=entry.seq, verdict="opaque", details=details)


def _grouped(entries: Iterable[records.Entry]) -> Iterator[list[records.Entry]]:
    """Few enough at once that neither side waits for the other to read."""
    group: list[records.Entry] = []
    for entry in entries:
        group.append(entry)
        if len(group) == _AT_ONCE:
            yield group
            group = []
    yield group


def _answered(
    program: subprocess.Popen[str], group: list[records.Entry], opaque: list[records.Entry]
) -> Iterator[Replayed]:
    for entry in group:
        if entry.private is None:
            yield Replayed(
                id=entry.id, seq=entry.seq, verdict="erased", details=("its personal fields were erased",)
            )
        elif not entry.public["bundle"]:
            opaque.append(entry)
        else:
            asked = {
                "id": entry.id,
                "bundle": entry.public["bundle"],
                "decision": records.plain(entry.private),
            }
            yield _verdict(entry, _asked(program, asked))


def _asked(program: subprocess.Popen[str], asked: dict[str, Any]) -> dict[str, Any]:
    """What the program answers; a problem where it ended instead."""
    assert program.stdin is not None
    assert program.stdout is not None
    line = ""
    with contextlib.suppress(BrokenPipeError):
        program.stdin.write(json.dumps(asked) + "\n")
        program.stdin.flush()
        line = program.stdout.readline()
    if not line.endswith("\n"):
        return {"problem": f"the program that takes decisions again ended (status {program.poll()})"}
    answer: dict[str, Any] = json.loads(line)
    return answer


def _verdict(entry: records.Entry, answer: dict[str, Any]) -> Replayed:
    if answer["problem"]:
        return Replayed(id=entry.id, seq=entry.seq, verdict="refused", details=(answer["problem"],))
    details = tuple(
        f"{one['where']} was {one['recorded']!r} and is {one['replayed']!r}" for one in answer["differences"]
    )
    return Replayed(id=entry.id, seq=entry.seq, verdict="different" if details else "equal", details=details)
