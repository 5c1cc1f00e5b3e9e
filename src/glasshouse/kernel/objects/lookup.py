"""Finding what a place names, as its account may see it."""

from __future__ import annotations

from glasshouse.kernel.catalog import Bucket, Version
from glasshouse.kernel.objects import faults
from glasshouse.kernel.objects.places import Place
from glasshouse.kernel.records import Reading, Transaction


def open_bucket(tx: Reading, place: Place) -> Bucket:
    """The place's bucket. Raises NoSuchBucket or AccessDenied."""
    return allowed(tx.catalog.find_bucket(place.bucket), place)


def hold_bucket(tx: Transaction, place: Place) -> Bucket:
    """The place's bucket, kept from being removed. Raises NoSuchBucket or AccessDenied."""
    return allowed(tx.catalog.hold_bucket(place.bucket), place)


def find(tx: Reading, place: Place) -> Version:
    """The version at the place. Raises NoSuchKey, NoSuchVersion or IsDeleteMarker."""
    open_bucket(tx, place)
    if place.version_id:
        version = tx.catalog.version(place.bucket, place.key, place.version_id)
        if version is None:
            raise faults.NoSuchVersion(place.version_id)
        if version.is_delete_marker:
            raise faults.IsDeleteMarker(headers=_marker_headers(version) | {"allow": "DELETE"})
        return version
    latest = tx.catalog.latest(place.bucket, place.key)
    if latest is None:
        raise faults.NoSuchKey(place.key)
    if latest.is_delete_marker:
        raise faults.NoSuchKey(place.key, headers=_marker_headers(latest))
    return latest


def allowed(bucket: Bucket | None, place: Place) -> Bucket:
    """The bucket, if it is there and the account's. Raises NoSuchBucket or AccessDenied."""
    if bucket is None:
        raise faults.NoSuchBucket(place.bucket)
    if bucket.account != place.account:
        raise faults.AccessDenied
    return bucket


def _marker_headers(version: Version) -> dict[str, str]:
    return {"x-amz-delete-marker": "true", "x-amz-version-id": version.version_id}
