"""Ledgers of tests: opened on a folder, filled with decisions."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from glasshouse.kernel import disk as disks
from glasshouse.kernel.clock import SystemClock
from glasshouse.kernel.ledger import Draft, Ledger, anchoring
from glassproof import anchors, ledgers


class _Refusing:
    """An output that takes a part of what is written, and then no more."""

    def __init__(self, inner: disks.Output, disk: Unwilling) -> None:
        self._inner, self._disk = inner, disk

    def write(self, data: bytes) -> None:
        try:
            self._disk.count()
        except OSError:
            self._inner.write(data[: len(data) // 2])
            raise
        self._inner.write(data)

    def sync(self, modified_at: float | None = None) -> None:
        self._disk.count()
        self._inner.sync(modified_at)

    def close(self) -> None:
        self._inner.close()


class Unwilling(disks.RealDisk):
    """A disk that has no space left after some more writes, until it is mended."""

    def __init__(self) -> None:
        self._left: int | None = None

    def break_after(self, n_calls: int) -> None:
        self._left = n_calls

    def mend(self) -> None:
        self._left = None

    def count(self) -> None:
        if self._left is None:
            return
        if self._left == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._left -= 1

    def create(self, path: Path) -> disks.Output:
        self.count()
        return _Refusing(super().create(path), self)

    def extend(self, path: Path) -> disks.Output:
        return _Refusing(super().extend(path), self)


def draft(number: int, *, subject: str = "") -> Draft:
    return Draft(
        kind="decision",
        id=f"decision-{number}",
        at=1_700_000_000_000_000_000 + number,
        public={"endpoint": "credit", "model": "abc"},
        private={"input": f"secret income {number}".encode(), "score": number / 7, "subject": subject},
        subject=subject,
    )


@contextlib.contextmanager
def opened(folder: Path, *, disk: disks.Disk | None = None) -> Iterator[Ledger]:
    """The ledger in folder/ledger with its anchors beside it."""
    ledger = Ledger(
        folder / "ledger",
        clock=SystemClock(),
        anchor=lambda _ledger: anchoring.FileAnchors(anchor_file(folder)),
        disk=disk,
    )
    try:
        yield ledger
    finally:
        ledger.close()


def anchor_file(folder: Path) -> Path:
    return folder / "outside" / "anchors"


def anchored(folder: Path) -> list[anchors.Anchor]:
    return anchors.read(anchor_file(folder))


def verified(folder: Path) -> ledgers.Report:
    return ledgers.verify(folder / "ledger" / "segments", anchored(folder))
