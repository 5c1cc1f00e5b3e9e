"""Storing what a job leaves, before it gets its names."""

from __future__ import annotations

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


def archive(
    context: Context, attempt: Attempt, host: str, folder: tuple[str, ...], place: objects.Place
) -> Named:
    """A folder of the host's /opt/ml as one archive at `place`."""
    packed = archives.packed(attempt.inside(host, *folder), attempt.root / place.key.rsplit("/", 1)[-1])
    return place, context.ports.objects.store_file(packed)


def files(
    context: Context, attempt: Attempt, host: str, folder: tuple[str, ...], place: objects.Place
) -> tuple[Named, ...]:
    """A folder of the host's /opt/ml file by file below `place`. Symbolic links are left out."""
    contents = context.ports.objects.store_folder(attempt.inside(host, *folder))
    return tuple((place.within(path), stored) for path, stored in contents)
