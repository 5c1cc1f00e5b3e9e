"""Servers that several tests of this folder share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from glasshouse.kernel import ids
from tests.support import s3


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[s3.S3Server]:
    """One files door for the session; every test makes buckets of its own."""
    with s3.running(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="session")
def client(s3_server: s3.S3Server) -> Iterator[Any]:
    made = s3_server.client()
    yield made
    made.close()


@pytest.fixture
def bucket(client: Any) -> str:
    """A new bucket."""
    name = f"bucket-{ids.token(8)}"
    client.create_bucket(Bucket=name)
    return name
