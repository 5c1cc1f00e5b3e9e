"""The run's objects in S3: put, read back, list."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from botocore import exceptions

from glasshouse.solutions.credit.clients import Clients
from glasshouse.solutions.credit.layout import Layout

HERE = Path(__file__).parent
URL_LIFE_S = 7 * 24 * 3600
_OWNED = {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}


def ensure_bucket(clients: Clients, bucket: str) -> None:
    """Makes the bucket unless it is there already."""
    try:
        if clients.region == "us-east-1":
            clients.s3.create_bucket(Bucket=bucket)
        else:
            place: Any = {"LocationConstraint": clients.region}
            clients.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration=place)
    except exceptions.ClientError as error:
        if error.response["Error"]["Code"] not in _OWNED:
            raise


def put(clients: Clients, layout: Layout, path: str, content: bytes, *, media_type: str) -> None:
    """Stores one object of the run."""
    clients.s3.put_object(Bucket=layout.bucket, Key=layout.key(path), Body=content, ContentType=media_type)


def keys(clients: Clients, layout: Layout, path: str) -> list[str]:
    """The keys below a path of the run, sorted."""
    pages = clients.s3.get_paginator("list_objects_v2").paginate(
        Bucket=layout.bucket, Prefix=f"{layout.key(path)}/"
    )
    return sorted(item["Key"] for page in pages for item in page.get("Contents", []))


def text(clients: Clients, layout: Layout, path: str) -> str:
    """One object of the run, as text."""
    answer = clients.s3.get_object(Bucket=layout.bucket, Key=layout.key(path))
    return answer["Body"].read().decode("utf-8")


def json_lines(clients: Clients, layout: Layout, path: str) -> list[dict[str, Any]]:
    """All rows of the JSON Lines files below a path."""
    return [json.loads(line) for line in _lines(clients, layout, keys(clients, layout, path))]


def _lines(clients: Clients, layout: Layout, names: Iterable[str]) -> Iterator[str]:
    for name in names:
        content = clients.s3.get_object(Bucket=layout.bucket, Key=name)["Body"].read().decode("utf-8")
        yield from (line for line in content.splitlines() if line.strip())


def url(clients: Clients, layout: Layout, path: str) -> str:
    """An address that shows the object to whoever has it, for a week."""
    return clients.s3.generate_presigned_url(
        "get_object", Params={"Bucket": layout.bucket, "Key": layout.key(path)}, ExpiresIn=URL_LIFE_S
    )


def scripts(folder: str) -> dict[str, bytes]:
    """The files of one of the solution's code folders, by name."""
    found = (path for path in sorted((HERE / folder).iterdir()) if path.suffix in {".py", ".json"})
    return {path.name: path.read_bytes() for path in found if path.name != "__init__.py"}


def rules(folder: Path) -> dict[str, bytes]:
    """The policies and the rules of recourse in a folder, by name."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.toml"))}


def archive(files: dict[str, bytes]) -> bytes:
    """A tar.gz of the files; the same files give the same bytes."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w") as tar,
    ):
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o644
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()
