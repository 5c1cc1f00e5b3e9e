"""The files door over HTTP on a free port, and real boto3 clients for it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from glasshouse.doors.files import FilesDoor
from glasshouse.engines.files.local import LocalFiles
from glasshouse.engines.store.sqlite import SqliteStore
from glasshouse.kernel import signatures
from glasshouse.kernel.access import Access
from glasshouse.kernel.audit import Audit
from glasshouse.kernel.clock import SystemClock
from glasshouse.kernel.objects import Objects
from glasshouse.kernel.records import Store
from tests.support import identities, servers

ACCOUNT = "000000000000"
REGION = "us-east-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Server:
    """A running door. `objects` is the same object store from the inside."""

    url: str
    objects: Objects
    store: Store
    folder: Path

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def client(self, *, verify: str | None = None, **config: Any) -> Any:
        """A boto3 client. Retries are off, so that what is answered is seen."""
        known = identities.credential()
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            verify=verify,
            region_name=REGION,
            aws_access_key_id=known.access_key_id,
            aws_secret_access_key=known.secret_access_key,
            config=Config(retries={"total_max_attempts": 1}, **config),
        )


@contextlib.contextmanager
def running(
    folder: Path, *, patience_s: float = 15.0, certificate: tuple[Path, Path] | None = None
) -> Iterator[S3Server]:
    """A door on a free port over a store and blobs in the folder; with TLS when given certificate and key."""
    clock = SystemClock()
    store = SqliteStore(folder / "glasshouse.db")
    objects = Objects(store=store, files=LocalFiles(folder / "blobs", clock=clock), clock=clock)
    known = identities.KnownIdentities(identities.credential(), clock=clock)
    door = FilesDoor(
        objects=objects,
        verify=signatures.Verifier(identities=known, clock=clock, region=REGION),
        access=Access(ACCOUNT),
        audit=Audit(store=store, clock=clock),
        region=REGION,
        patience_s=patience_s,
    )
    with servers.serving(door, certificate=certificate) as url:
        yield S3Server(url=url, objects=objects, store=store, folder=folder)
    store.close()
