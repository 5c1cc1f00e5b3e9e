"""Blobs in any S3, through obstore: <prefix><domain>/<first two digits>/<digest>.

A blob's address is known when all of it was seen, so a writer spools to a temporary file and uploads at commit.
Durable means that the other side acknowledged the upload. An upload that a crash cut off leaves parts there,
which that bucket's own life-cycle rules must clear.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import obstore
import obstore.exceptions
import obstore.store

from glasshouse.engines.files import envelope
from glasshouse.kernel.ports import PLAIN, Blob

CHUNK_BYTES = 1 << 20
_AHEAD_BYTES = envelope.MOST_BYTES + (256 << 10)
"""Read together with the header, so that small blobs take one request."""

IN_MEMORY_BYTES = 8 << 20
"""Smaller blobs are not spooled to disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Where the bucket is and how to get in. An empty endpoint means Amazon's own."""

    bucket: str
    region: str
    access_key_id: str
    secret_access_key: str
    session_token: str = ""
    endpoint: str = ""
    prefix: str = ""

    def __repr__(self) -> str:
        return f"Access({self.endpoint or self.region}, {self.bucket}/{self.prefix})"


class S3Files:
    """The files port over a bucket. Any number of servers may use one bucket. Raises OSError when it is unwell."""

    def __init__(self, access: Access, *, domain: str = PLAIN) -> None:
        self._store = _open(access)
        self._domain = domain

    def writer(self) -> S3Writer:
        return S3Writer(self._store, self._domain)

    def read(self, digest: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        path = _address(self._domain, digest)
        with _translated(digest):
            found = obstore.get(self._store, path, options={"range": (0, _AHEAD_BYTES)})
            ahead = bytes(found.bytes())
            size_bytes = int(found.meta["size"])
        begin = envelope.content_start(ahead, domain=self._domain)
        end = size_bytes if stop is None else min(begin + stop, size_bytes)
        return self._chunks(path, ahead, begin + start, end)

    def exists(self, digest: str) -> bool:
        try:
            self.written_at(digest)
        except KeyError:
            return False
        return True

    def written_at(self, digest: str) -> float:
        with _translated(digest):
            meta = obstore.head(self._store, _address(self._domain, digest))
        return float(meta["last_modified"].timestamp())

    def remove(self, digest: str) -> None:
        with contextlib.suppress(KeyError), _translated(digest):
            obstore.delete(self._store, _address(self._domain, digest))

    def digests(self) -> Iterator[str]:
        with _translated(""):
            for batch in obstore.list(self._store, prefix=self._domain):
                names = (meta["path"].rpartition("/")[2] for meta in batch)
                yield from filter(envelope.is_digest, names)

    def remove_unfinished(self, before: float) -> int:
        return 0

    def _chunks(self, path: str, ahead: bytes, start: int, end: int) -> Iterator[bytes]:
        """What was read ahead, then the rest as it comes."""
        if start < min(end, len(ahead)):
            yield ahead[start : min(end, len(ahead))]
            start = len(ahead)
        if start < end:
            with _translated(path):
                rest = obstore.get(self._store, path, options={"range": (start, end)})
                for chunk in rest.stream(min_chunk_size=CHUNK_BYTES):
                    yield bytes(chunk)


class S3Names:
    """Small objects in a bucket whose retention keeps them: they are put and listed, and nothing else."""

    def __init__(self, access: Access) -> None:
        self._store = _open(access, checksum_algorithm="sha256")  # object lock demands a checksum

    def put(self, name: str, content: bytes) -> None:
        """Raises OSError."""
        with _as_os_error():
            obstore.put(self._store, name, content)

    def names(self, prefix: str) -> Iterator[str]:
        """Raises OSError."""
        with _as_os_error():
            for batch in obstore.list(self._store, prefix=prefix):
                yield from (str(meta["path"]) for meta in batch)


class S3Writer:
    """One blob being written."""

    def __init__(self, store: Any, domain: str) -> None:
        self._store = store
        self._domain = domain
        self._hash = hashlib.sha256()
        self._size_bytes = 0
        self._spool = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES)  # noqa: SIM115 - closed by commit or abort
        self._spool.write(envelope.encode(envelope.Envelope(domain=domain)))

    def send(self, chunk: bytes) -> None:
        self._spool.write(chunk)
        self._hash.update(chunk)
        self._size_bytes += len(chunk)

    def commit(self) -> Blob:
        digest = self._hash.hexdigest()
        self._spool.seek(0)
        with _translated(digest):
            obstore.put(self._store, _address(self._domain, digest), self._spool)
        self._spool.close()
        return Blob(digest=digest, size_bytes=self._size_bytes, domain=self._domain)

    def abort(self) -> None:
        self._spool.close()


def _open(access: Access, **more: str) -> Any:
    told = {
        "endpoint": access.endpoint,
        "region": access.region,
        "access_key_id": access.access_key_id,
        "secret_access_key": access.secret_access_key,
        "session_token": access.session_token,
    }
    config: Any = {name: value for name, value in told.items() if value}
    return obstore.store.S3Store(
        access.bucket,
        prefix=access.prefix or None,
        config=config | {"virtual_hosted_style_request": "false", **more},
        client_options={"allow_http": access.endpoint.startswith("http://")},
    )


def _address(domain: str, digest: str) -> str:
    if not envelope.is_digest(digest):
        raise KeyError(digest)
    return f"{domain}/{digest[:2]}/{digest}"


@contextlib.contextmanager
def _translated(digest: str) -> Iterator[None]:
    try:
        yield
    except (obstore.exceptions.NotFoundError, FileNotFoundError) as error:
        raise KeyError(digest) from error
    except obstore.exceptions.BaseError as error:
        raise OSError(f"The object store failed: {error}") from error


@contextlib.contextmanager
def _as_os_error() -> Iterator[None]:
    try:
        yield
    except (obstore.exceptions.BaseError, FileNotFoundError) as error:
        raise OSError(f"The bucket failed: {error}") from error
