"""What the repository holds: the files that a commit would take."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@functools.cache
def files() -> tuple[Path, ...]:
    """Tracked files, and new ones that git does not ignore."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found = (ROOT / name for name in listed.split("\0") if name)
    return tuple(sorted(path for path in found if path.is_file()))


def sources(folder: str = "src") -> tuple[Path, ...]:
    return tuple(path for path in files() if path.suffix == ".py" and path.is_relative_to(ROOT / folder))


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))
