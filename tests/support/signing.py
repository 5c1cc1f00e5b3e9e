"""Signature Version 4 written from its description, to sign by hand what no SDK here sends: frames of a body."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import http.client
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.support import identities

NOTHING = hashlib.sha256(b"").hexdigest()
SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The error's code."""
        return self.body.partition(b"<Code>")[2].partition(b"</Code>")[0].decode()


class Signer:
    """Signs one request, and then the frames of its body, each over the signature before it."""

    def __init__(self, host: str, *, region: str = "us-east-1") -> None:
        self._host = host
        self._region = region
        self._credential = identities.credential()
        self._stamp = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
        self._previous = ""

    def headers(
        self, method: str, path: str, payload: str, extra: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """The request's headers, signed; `path` is encoded and may have a query."""
        plain, _, query = path.partition("?")
        headers = {"host": self._host, "x-amz-date": self._stamp, "x-amz-content-sha256": payload}
        headers |= {name.lower(): value for name, value in (extra or {}).items()}
        names = sorted(headers)
        canonical = "\n".join(
            [
                method,
                plain,
                "&".join(sorted(part if "=" in part else f"{part}=" for part in query.split("&") if part)),
                *(f"{name}:{headers[name].strip()}" for name in names),
                "",
                ";".join(names),
                payload,
            ]
        )
        hashed = hashlib.sha256(canonical.encode()).hexdigest()
        text = "\n".join(["AWS4-HMAC-SHA256", self._stamp, self._scope, hashed])
        self._previous = self._sign(text)
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self._credential.access_key_id}/{self._scope}, "
            f"SignedHeaders={';'.join(names)}, Signature={self._previous}"
        )
        return headers

    def frame(self, data: bytes) -> bytes:
        """A signed frame; the empty one is the last and lacks its closing line."""
        parts = [self._stamp, self._scope, self._previous, NOTHING, hashlib.sha256(data).hexdigest()]
        self._previous = self._sign("\n".join(["AWS4-HMAC-SHA256-PAYLOAD", *parts]))
        head = f"{len(data):x};chunk-signature={self._previous}\r\n".encode()
        return head + (data + b"\r\n" if data else b"")

    def trailer(self, lines: Sequence[str]) -> bytes:
        """Signed trailing headers, "name:value" each."""
        hashed = hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()
        text = "\n".join(["AWS4-HMAC-SHA256-TRAILER", self._stamp, self._scope, self._previous, hashed])
        signed = [*lines, f"x-amz-trailer-signature:{self._sign(text)}"]
        return "".join(f"{line}\r\n" for line in signed).encode() + b"\r\n"

    @property
    def _scope(self) -> str:
        return f"{self._stamp[:8]}/{self._region}/s3/aws4_request"

    def _sign(self, text: str) -> str:
        key = f"AWS4{self._credential.secret_access_key}".encode()
        for part in (self._stamp[:8], self._region, "s3", "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def send(
    url: str, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None
) -> Reply:
    """Sends exactly that, and reads the answer."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=20)
    try:
        connection.request(method, path, body=body, headers=dict(headers or {}))
        answer = connection.getresponse()
        return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    finally:
        connection.close()


def call(url: str, method: str, path: str, *, body: bytes = b"", **headers: str) -> Reply:
    """Signs and sends a request whose body is hashed; `headers` have "_" for "-"."""
    signer = Signer(urllib.parse.urlsplit(url).netloc)
    extra = {name.replace("_", "-"): value for name, value in headers.items()}
    signed = signer.headers(method, path, hashlib.sha256(body).hexdigest(), extra)
    return send(url, method, path, headers=signed, body=body or None)
