"""Storing what a job leaves, before it gets its names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from glasshouse.kernel import errors, objects
from glasshouse.kernel.context import Context
from glasshouse.kernel.jobs import archives
from glasshouse.kernel.jobs.folders import Attempt

Named = tuple[objects.Place, objects.Stored]


def place_of(context: Context, uri: str) -> objects.Place:
    """Where outputs go. Raises errors.Fatal when the bucket is not there or not the caller's."""
    place = objects.Place.of_uri(context.caller.account, uri)
    try:
        context.ports.objects.bucket(place)
    except errors.WireError as error:
        raise errors.Fatal(f"ClientError: the output cannot be written to {uri}: {error.message}") from error
    return place


def check_place(context: Context, uri: str) -> None:
    """Raises errors.Fatal before a job runs that could not leave its outputs anywhere."""
    place_of(context, uri)


def archive(
    context: Context, attempt: Attempt, hosts: Sequence[str], folder: tuple[str, ...], place: objects.Place
) -> Named:
    """A folder of the hosts' /opt/ml as one archive at `place`; of files of one name the first host's."""
    sources = [_opened(attempt, host, folder) for host in hosts]
    packed = archives.packed(sources, attempt.root / place.key.rsplit("/", 1)[-1])
    return place, context.ports.objects.store_file(packed)


def files(
    context: Context, attempt: Attempt, hosts: Sequence[str], folder: tuple[str, ...], place: objects.Place
) -> tuple[Named, ...]:
    """A folder of the hosts' /opt/ml file by file below `place`. Symbolic links are left out.

    Of files of one name the first host's is taken.
    """
    found: dict[str, objects.Stored] = {}
    for host in hosts:
        for path, stored in context.ports.objects.store_folder(_opened(attempt, host, folder)):
            found.setdefault(path, stored)
    return tuple((place.within(path), stored) for path, stored in found.items())


def is_empty(attempt: Attempt, hosts: Sequence[str], folder: tuple[str, ...]) -> bool:
    return all(archives.is_empty(_opened(attempt, host, folder)) for host in hosts)


def _opened(attempt: Attempt, host: str, folder: tuple[str, ...]) -> Path:
    """The folder, which a job may have removed or closed. Raises errors.Fatal when it is none any more."""
    path = attempt.inside(host, *folder)
    if not path.exists():
        path.mkdir(parents=True)
    if not path.is_dir():
        raise errors.Fatal(f"AlgorithmError: /opt/ml/{'/'.join(folder)} is not a folder.")
    archives.made_readable(path)
    return path
