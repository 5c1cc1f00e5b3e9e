"""Objects as files of a job's folder, and files of a job's folder as objects."""

from __future__ import annotations

import contextlib
import hashlib
import os
import posixpath
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import orjson

from glasshouse.kernel import errors
from glasshouse.kernel.catalog import Version
from glasshouse.kernel.objects import faults
from glasshouse.kernel.objects.intake import Stored
from glasshouse.kernel.objects.places import Place

Kind = Literal["S3Prefix", "ManifestFile"]
Contents = tuple[tuple[str, Stored], ...]
"""Relative paths and what they hold."""

_MOST_MANIFEST_BYTES = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One object and the relative path of the file it becomes. `version` names the very content chosen."""

    place: Place
    path: str
    version: Version


class Library(Protocol):
    """What this module needs of the object store."""

    def every(self, place: Place) -> Iterator[Version]: ...
    def head(self, place: Place) -> Version: ...
    def read(self, version: Version, start: int = 0, stop: int | None = None) -> Iterator[bytes]: ...
    def store_file(self, path: Path) -> Stored: ...


def select(library: Library, place: Place, *, kind: Kind, shard: tuple[int, int]) -> list[Input]:
    """The objects meant, in the order of their keys, of which the shard (index, count) takes every count-th.

    S3Prefix: all keys that begin with the place's key; the path is what follows the prefix up to its last "/".
    ManifestFile: the object names its keys: [{"prefix": "s3://bucket/there/"}, "one", "two", ...].
    Raises errors.Fatal with a sentence when nothing is there or the files cannot be laid out.
    """
    try:
        found = _named(library, place) if kind == "ManifestFile" else _with_prefix(library, place)
    except faults.Fault as fault:
        raise errors.Fatal(f"ClientError: {place.uri} cannot be read: {fault.message}") from fault
    if not found:
        raise errors.Fatal(f"ClientError: No S3 objects found under S3 URI {place.uri}.")
    index, count = shard
    chosen = found[index::count]
    _check_layout(chosen)
    return chosen


def fetch(library: Library, inputs: Sequence[Input], folder: Path) -> None:
    """Writes each input below the folder. Raises errors.Fatal when content does not have its digest."""
    for item in inputs:
        path = folder / item.path
        path.parent.mkdir(parents=True, exist_ok=True)
        seen = hashlib.sha256()
        with _new_file(path) as target:
            for chunk in library.read(item.version):
                seen.update(chunk)
                _write(target, chunk)
        if seen.hexdigest() != item.version.digest:
            raise errors.Fatal(f"The stored content of {item.place.uri} is damaged.")


def store(library: Library, folder: Path) -> Contents:
    """Stores the regular files below the folder, by path. Links and other special files are left out."""
    return tuple((path, library.store_file(folder / path)) for path in sorted(_regular_files(folder)))


@contextlib.contextmanager
def open_regular(path: Path) -> Iterator[int]:
    """A descriptor of a regular file; a link or a pipe put there by a job is not followed or waited for."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(f"{path} is no regular file")
        yield descriptor
    finally:
        os.close(descriptor)


def _with_prefix(library: Library, place: Place) -> list[Input]:
    return [
        _input(place, version, _path_below(place.key, version.key))
        for version in library.every(place)
        if not version.key.endswith("/")
    ]


def _path_below(prefix: str, key: str) -> str:
    if key == prefix:
        return posixpath.basename(key)
    if not prefix or key.startswith(prefix.rstrip("/") + "/"):
        return key[len(prefix) :].lstrip("/")
    return key[prefix.rfind("/") + 1 :]


def _named(library: Library, place: Place) -> list[Input]:
    manifest = library.head(place)
    if manifest.size_bytes > _MOST_MANIFEST_BYTES:
        raise errors.Fatal(f"The manifest {place.uri} is larger than {_MOST_MANIFEST_BYTES} bytes.")
    prefix, names = _parsed(b"".join(library.read(manifest)), place)
    above = Place.of_uri(place.account, prefix)
    found = []
    for name in sorted(names):
        target = Place(account=place.account, bucket=above.bucket, key=above.key + name)
        found.append(_input(target, library.head(target), name.lstrip("/")))
    return found


def _parsed(content: bytes, place: Place) -> tuple[str, list[str]]:
    wrong = errors.Fatal(
        f'The manifest {place.uri} must be a JSON list [{{"prefix": "s3://..."}}, "name", ...].'
    )
    try:
        document: Any = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise wrong from error
    if not isinstance(document, list) or not document:
        raise wrong
    first, *names = document
    prefix = first.get("prefix") if isinstance(first, dict) else None
    if not isinstance(prefix, str) or not all(isinstance(name, str) for name in names):
        raise wrong
    if not prefix.startswith("s3://"):
        raise wrong
    return prefix, names


def _input(place: Place, version: Version, path: str) -> Input:
    exact = Place(
        account=place.account, bucket=version.bucket, key=version.key, version_id=version.version_id
    )
    return Input(place=exact, path=path, version=version)


def _check_layout(inputs: Sequence[Input]) -> None:
    """Refuses paths that leave the folder, or that a file system cannot hold side by side."""
    files: set[str] = set()
    folders: set[str] = set()
    for item in inputs:
        parts = item.path.split("/")
        if any(part in ("", ".", "..") or len(part.encode()) > 255 for part in parts):
            raise errors.Fatal(
                f"The object {item.place.uri} cannot become a file: its path is {item.path!r}."
            )
        if item.path in files:
            raise errors.Fatal(f"Two objects would become the one file {item.path!r}.")
        files.add(item.path)
        folders.update("/".join(parts[:n]) for n in range(1, len(parts)))
    for path in sorted(files & folders):
        raise errors.Fatal(f"The objects under {path!r} need a folder where another object is a file.")


def _regular_files(folder: Path) -> Iterator[str]:
    for parent, _, names in os.walk(folder, followlinks=False):
        for name in names:
            path = Path(parent, name)
            if stat.S_ISREG(path.lstat().st_mode):
                yield _as_key(path.relative_to(folder).as_posix())


def _as_key(path: str) -> str:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        raise errors.Fatal(f"The file name {path!r} is not UTF-8, so it cannot become a key.") from None
    return path


@contextlib.contextmanager
def _new_file(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _write(descriptor: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
