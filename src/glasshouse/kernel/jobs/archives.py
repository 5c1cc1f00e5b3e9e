"""model.tar.gz: the same files always give the same bytes, so equal models have equal digests."""

from __future__ import annotations

import gzip
import tarfile
from pathlib import Path

LEVEL = 6


def packed(folder: Path, target: Path) -> Path:
    """Writes the folder's content as a gzipped tar archive, sorted, without times or owners."""
    with (
        target.open("wb") as raw,
        gzip.GzipFile(fileobj=raw, mode="wb", filename="", mtime=0, compresslevel=LEVEL) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in sorted(folder.rglob("*")):
            if not path.is_symlink():
                archive.add(path, str(path.relative_to(folder)), recursive=False, filter=_anonymous)
    return target


def unpacked(source: Path, folder: Path) -> None:
    """Extracts an archive; members that would leave the folder are refused.

    Raises tarfile.TarError for what is not a (gzipped) tar archive.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(source, "r:*") as archive:
        archive.extractall(folder, filter="data")


def is_empty(folder: Path) -> bool:
    return not folder.is_dir() or next(folder.iterdir(), None) is None


def _anonymous(info: tarfile.TarInfo) -> tarfile.TarInfo:
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    info.mtime = 0
    return info
