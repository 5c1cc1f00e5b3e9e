"""Sends the same signed requests over and over on several connections, and notes how long each answer took."""

from __future__ import annotations

import asyncio
import time
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import uvloop


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Answers a second, and seconds an answer took."""

    per_s: float
    p50_s: float
    p99_s: float
    n_failed: int


def signed(
    url: str, bodies: Sequence[bytes], headers: Mapping[str, str], keys: Any, region: str
) -> list[bytes]:
    """Whole HTTP requests. A signature holds for some minutes, so each can be sent many times."""
    credentials = botocore.credentials.Credentials(
        keys.access_key_id, keys.secret_access_key, keys.session_token
    )
    signer = botocore.auth.SigV4Auth(credentials, "sagemaker", region)
    where = urllib.parse.urlsplit(url)
    found = []
    for body in bodies:
        request = botocore.awsrequest.AWSRequest(
            "POST", url, data=body, headers={**headers, "Host": where.netloc}
        )
        signer.add_auth(request)
        found.append(plain(where.path, body, dict(request.headers.items())))
    return found


def plain(path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    """A request as bytes."""
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body


def run(address: tuple[str, int], requests: Sequence[bytes], *, connections: int, for_s: float) -> Figures:
    """Keeps every connection busy for a while."""
    return uvloop.run(_run(address, requests, connections=connections, for_s=for_s))


async def _run(
    address: tuple[str, int], requests: Sequence[bytes], *, connections: int, for_s: float
) -> Figures:
    ends = time.perf_counter() + for_s
    taken: list[float] = []
    failed = 0

    async def client(first: int) -> None:
        nonlocal failed
        reader, writer = await asyncio.open_connection(*address)
        number = first
        while (began := time.perf_counter()) < ends:
            writer.write(requests[number % len(requests)])
            number += connections
            failed += not await _answered(reader)
            taken.append(time.perf_counter() - began)
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(client(number) for number in range(connections)))
    spent = time.perf_counter() - began
    taken.sort()
    return Figures(
        per_s=len(taken) / spent,
        p50_s=taken[len(taken) // 2],
        p99_s=taken[int(len(taken) * 0.99)],
        n_failed=failed,
    )


async def _answered(reader: asyncio.StreamReader) -> bool:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    size = next(
        int(line.partition(b":")[2]) for line in head.split(b"\r\n") if line.startswith(b"content-length:")
    )
    await reader.readexactly(size)
    return head.startswith(b"http/1.1 200")
