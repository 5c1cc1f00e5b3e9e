"""Keeps anchors outside the data folder, where whoever can write there need not reach: in a file, and elsewhere besides."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

from glasshouse.kernel import disk as disks
from glasshouse.kernel.ledger import journal
from glassproof import anchors

log = logging.getLogger(__name__)

EVERY_S = 10.0
END_WITHIN_S = 10.0


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
            rest = (b"\n" if torn else b"") + anchor.line()
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if not size:
            disks.RealDisk().sync_directory(self.path.parent)


class LaterAnchors:
    """Puts anchors where that takes long, from a thread of its own, after `then` has kept them.

    Only the newest is put, since it covers all before it; what fails is tried again.
    """

    def __init__(self, put: journal.Anchor, then: journal.Anchor, *, every_s: float = EVERY_S) -> None:
        """put: raises OSError. every_s: how long to wait from one to the next."""
        self._put, self._then, self._every_s = put, then, every_s
        self._newest: anchors.Anchor | None = None
        self._changed = threading.Condition()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="anchors", daemon=True)
        self._thread.start()

    def __call__(self, anchor: anchors.Anchor) -> None:
        """Raises OSError where `then` does."""
        with self._changed:
            self._newest = anchor
            self._changed.notify()
        self._then(anchor)

    def close(self) -> None:
        """Puts what waits, if that works at once."""
        self._ending.set()
        with self._changed:
            self._changed.notify()
        self._thread.join(END_WITHIN_S)

    def _run(self) -> None:
        while (anchor := self._next()) is not None:
            try:
                self._put(anchor)
            except OSError as error:
                log.error("ledger.not_anchored", extra={"reason": str(error)})
                self._give_back(anchor)
                if self._ending.is_set():
                    return
            self._ending.wait(self._every_s)

    def _next(self) -> anchors.Anchor | None:
        """The newest, once there is one; None at the end."""
        with self._changed:
            while self._newest is None and not self._ending.is_set():
                self._changed.wait()
            found, self._newest = self._newest, None
            return found

    def _give_back(self, anchor: anchors.Anchor) -> None:
        with self._changed:
            self._newest = self._newest or anchor
