"""Digests and copies of a folder of source files."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

_SKIPPED = shutil.ignore_patterns("__pycache__", "*.pyc")


def files(folder: Path) -> list[Path]:
    """The files that count, in the order of their names: all but compiled bytecode."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in found if "__pycache__" not in path.parts and path.suffix != ".pyc")


def digest(folder: Path) -> str:
    """SHA-256 over names and contents."""
    total = hashlib.sha256()
    for path in files(folder):
        name = path.relative_to(folder).as_posix().encode()
        content = path.read_bytes()
        total.update(len(name).to_bytes(8, "big") + name + len(content).to_bytes(8, "big") + content)
    return total.hexdigest()


def copy(folder: Path, target: Path) -> None:
    """Copies what digest() covers."""
    shutil.copytree(folder, target, ignore=_SKIPPED)
