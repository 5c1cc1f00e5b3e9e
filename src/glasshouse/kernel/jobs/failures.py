"""Why a job failed, in the job's own words: its failure file, else the last error lines of its log."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from glasshouse.kernel.ports import Exited, Limits

LONGEST = 1024
TAIL = 200
TAIL_BYTES = 1024 * 1024
_ERROR = re.compile(r"(error|exception|traceback|fatal|failed|killed|not found|no such)", re.IGNORECASE)


def reason_of(exited: Exited, *, failure_file: Path, log: Path, limits: Limits) -> str:
    """The FailureReason of a host that ended badly; at most 1024 characters."""
    if exited.reason == "out_of_memory":
        gib = (limits.memory_bytes or 0) / 1024**3
        text = f"AlgorithmError: the job used more memory than its instance has ({gib:g} GiB); choose a larger one"
    elif exited.reason == "not_started":
        text = f"ClientError: the container could not be started: {exited.detail}"
    else:
        words = said(failure_file) or _last_error(log) or exited.detail or "the container gave no reason"
        text = f"AlgorithmError: {words.removesuffix('.')}, exit code: {exited.code}"
    return text[:LONGEST]


def said(path: Path) -> str:
    """The start of the failure file. The job wrote it, so a link in its place is not followed."""
    if path.is_symlink() or not path.is_file():
        return ""
    with path.open("rb") as file:
        return file.read(4 * LONGEST).decode(errors="replace").strip()[: LONGEST - 64]


def _last_error(log: Path) -> str:
    """The end of the log, from the last traceback or error line on."""
    lines = _tail(log)
    start = max((i for i, line in enumerate(lines) if line.startswith("Traceback")), default=-1)
    if start < 0:
        errors = [i for i, line in enumerate(lines) if _ERROR.search(line)]
        start = errors[-1] if errors else max(0, len(lines) - 3)
    return ended("\n".join(lines[start:]).strip(), LONGEST - 64)


def ended(text: str, room: int) -> str:
    """The end of a text in whole lines, since the error itself stands last."""
    if len(text) <= room:
        return text
    kept = text[-room:]
    return (kept.partition("\n")[2] or kept).strip()


def _tail(log: Path) -> list[str]:
    if not log.is_file():
        return []
    with log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - TAIL_BYTES))
        last = file.read().splitlines()[-TAIL:]
    found = []
    for line in last:
        try:
            found.append(str(json.loads(line)["m"]))
        except (ValueError, KeyError):
            continue
    return found
