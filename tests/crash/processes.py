"""The machine's process table, seen from one data folder."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from glasshouse.engines.execute import records


def of(data: Path) -> dict[int, str]:
    """Processes that name the folder on their command line, or see a part of it mounted as every sandbox does.

    The folder's own name must be one that nothing else has.
    """
    found = {}
    for pid in (int(one.name) for one in Path("/proc").iterdir() if one.name.isdigit()):
        words = _read(pid, "cmdline").replace("\0", " ").strip()
        if pid != os.getpid() and (data.name in words or data.name in _read(pid, "mountinfo")):
            found[pid] = words
    return found


def keepers(data: Path, kind: str = "*") -> dict[Path, int]:
    """The run directories of jobs of that kind that are being kept now, and the keepers' process numbers."""
    found = {}
    for lock in data.glob(f"jobs/*/*/{kind}/*/*/run/{records.LOCK}"):
        pid = records.holder(str(lock.parent))
        if pid is not None:
            found[lock.parent] = pid
    return found


def kill(pid: int) -> None:
    """SIGKILL; nothing when the process has ended by itself."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text(errors="replace")
    except OSError:
        return ""
