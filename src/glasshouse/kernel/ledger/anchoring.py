"""Keeps anchors in a file, by default outside the data folder, where whoever can write there need not reach."""

from __future__ import annotations

import os
from pathlib import Path

from glassproof import anchors


class FileAnchors:
    """Appends anchors to one file, durably. The file is made with its folders when it is missing."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, anchor: anchors.Anchor) -> None:
        """Raises OSError."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            os.write(descriptor, (b"\n" if torn else b"") + anchor.line())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
