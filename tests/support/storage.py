"""Object stores to test with."""

from __future__ import annotations

from pathlib import Path

from glasshouse.engines.files.local import LocalFiles
from glasshouse.kernel import ids
from glasshouse.kernel.objects import Attributes, Conditions, Objects, Place
from glasshouse.kernel.records import Store
from tests.support import identities

ACCOUNT = "000000000000"


def over(store: Store, folder: Path, clock: identities.StoppedClock | None = None) -> Objects:
    now = clock or identities.StoppedClock()
    return Objects(store=store, files=LocalFiles(folder / "blobs", clock=now), clock=now)


def new_bucket(objects: Objects) -> Place:
    place = Place(account=ACCOUNT, bucket=f"bucket-{ids.token(8)}")
    objects.create_bucket(place, region="us-east-1")
    return place


def at(bucket: Place, key: str, version_id: str = "") -> Place:
    return Place(account=bucket.account, bucket=bucket.bucket, key=key, version_id=version_id)


def put(
    objects: Objects, place: Place, content: bytes = b"content", *, match: str = "", none_match: str = ""
) -> str:
    """The new version's id."""
    stored = objects.store_bytes(content)
    attributes = Attributes(headers={"content-type": "text/plain"}, metadata={"made": "here"})
    check = Conditions(match=match, none_match=none_match)
    return objects.put(place, stored, attributes=attributes, check=check).version_id
