"""model.tar.gz: the same files always give the same bytes, so equal models have equal digests."""

from __future__ import annotations

import gzip
import os
import stat
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

LEVEL = 6


def packed(folders: Sequence[Path], target: Path) -> Path:
    """Writes the folders' content as one gzipped tar archive, sorted, without times or owners.

    Only folders and regular files are taken. Where two folders have a file of one name, the first one's counts.
    """
    found: dict[str, Path] = {}
    for folder in folders:
        for path in _content(folder):
            found.setdefault(path.relative_to(folder).as_posix(), path)
    with (
        target.open("wb") as raw,
        gzip.GzipFile(fileobj=raw, mode="wb", filename="", mtime=0, compresslevel=LEVEL) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name in sorted(found):
            _add(archive, name, found[name])
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


def made_readable(folder: Path) -> None:
    """Gives us back what a job took from us: its files belong to our user, whatever their mode."""
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK, follow_symlinks=False):
        folder.chmod(0o700)
    for parent, folders, names in os.walk(folder, followlinks=False):
        for path in (Path(parent, name) for name in folders):
            if not path.is_symlink() and path.lstat().st_mode & 0o700 != 0o700:
                path.chmod(0o755)
        for path in (Path(parent, name) for name in names):
            if not path.is_symlink() and not path.lstat().st_mode & 0o400:
                path.chmod(0o644)


def _content(folder: Path) -> Iterator[Path]:
    """The folders and regular files below."""
    for parent, folders, names in os.walk(folder, followlinks=False):
        for path in (Path(parent, name) for name in (*folders, *names)):
            mode = path.lstat().st_mode
            if stat.S_ISDIR(mode) or stat.S_ISREG(mode):
                yield path


def _add(archive: tarfile.TarFile, name: str, path: Path) -> None:
    """Without owner and time, and with no more of its mode than whether it can be run."""
    info = tarfile.TarInfo(name)
    state = path.lstat()
    info.mode = 0o755 if state.st_mode & 0o100 else 0o644
    if stat.S_ISDIR(state.st_mode):
        info.type = tarfile.DIRTYPE
        archive.addfile(info)
        return
    info.size = state.st_size
    with path.open("rb") as file:
        archive.addfile(info, file)
