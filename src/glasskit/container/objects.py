"""One object from S3, with the standard library alone: loading boto3 would cost a job a third of a second.

Signs as AWS Signature Version 4, path style, with the keys and the endpoint in the environment.
"""

from __future__ import annotations

import datetime as dt
import errno
import hashlib
import hmac
import http.client
import os
import socket
import time
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from glasskit.container import failures

_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "S3_ENDPOINT_URL", "AWS_ENDPOINT_URL")
_ISOLATED = "With network isolation the code must come through a channel."
_NO_BODY = hashlib.sha256(b"").hexdigest()
_CHUNK_BYTES = 1024 * 1024
_PATIENCE_S = 120.0
"""How long a server that does not answer is asked again: it may be starting anew."""
_LONGEST_PAUSE_S = 2.0
_NO_WAY = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EPERM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What a request is signed with."""

    access_key_id: str
    secret_access_key: str
    session_token: str = ""
    region: str = "us-east-1"


class _TryAgain(Exception):
    """The server or the network failed in a way that may pass."""


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of `s3://bucket/key`."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def download(uri: str, path: Path) -> None:
    """Writes the object at `uri` to `path`. Raises failures.CodeNotFound saying why it cannot be had."""
    endpoint = next((os.environ[name] for name in _ENDPOINTS if os.environ.get(name)), "")
    if not endpoint:
        raise failures.CodeNotFound(
            f"{uri} cannot be fetched: none of {', '.join(_ENDPOINTS)} is set. {_ISOLATED}"
        )
    keys = Keys(
        access_key_id=os.environ.get("AWS_ACCESS_KEY_ID", ""),
        secret_access_key=os.environ.get("AWS_SECRET_ACCESS_KEY", ""),
        session_token=os.environ.get("AWS_SESSION_TOKEN", ""),
        region=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1",
    )
    give_up_at, pause_s = time.monotonic() + _PATIENCE_S, 0.1
    while True:
        try:
            return _download_once(endpoint, uri, path, keys)
        except (OSError, http.client.HTTPException, _TryAgain) as exc:
            if _is_hopeless(exc) or time.monotonic() > give_up_at:
                reason = str(exc) or type(exc).__name__
                raise failures.CodeNotFound(f"{uri} cannot be fetched: {reason}. {_ISOLATED}") from exc
        time.sleep(pause_s)
        pause_s = min(_LONGEST_PAUSE_S, 2 * pause_s)


def _is_hopeless(error: Exception) -> bool:
    """Whether there is no way to the server, as opposed to no server on the way."""
    if isinstance(error, (socket.gaierror, ValueError)):  # no such name, or a certificate that is not trusted
        return True
    return isinstance(error, OSError) and error.errno in _NO_WAY


def _download_once(endpoint: str, uri: str, path: Path, keys: Keys) -> None:
    parts = urllib.parse.urlsplit(endpoint)
    bucket, key = split_uri(uri)
    target = parts.path.rstrip("/") + "/" + urllib.parse.quote(f"{bucket}/{key}", safe="/-_.~")
    connection = _connect(parts)
    try:
        connection.request("GET", target, headers=signed_headers("GET", parts.netloc, target, keys, _now()))
        response = connection.getresponse()
        if response.status >= 500:
            raise _TryAgain(f"the server answered {response.status}")
        if response.status != 200:
            text = response.read(2000).decode("utf-8", "replace")
            raise failures.CodeNotFound(f"{uri} cannot be fetched: {response.status} {_error_of(text)}")
        expected, got = response.getheader("Content-Length"), 0
        with path.open("wb") as file:
            while chunk := response.read(_CHUNK_BYTES):
                got += file.write(chunk)
        if expected is not None and got != int(expected):
            raise _TryAgain(f"the answer ended after {got} of {expected} bytes")
    finally:
        connection.close()


def _connect(parts: urllib.parse.SplitResult) -> http.client.HTTPConnection:
    if parts.scheme == "https":
        import ssl

        context = ssl.create_default_context(cafile=os.environ.get("AWS_CA_BUNDLE") or None)
        return http.client.HTTPSConnection(parts.netloc, timeout=60, context=context)
    return http.client.HTTPConnection(parts.netloc, timeout=60)


def _error_of(xml: str) -> str:
    """Code and message of an S3 error body."""
    found = [xml.partition(f"<{tag}>")[2].partition("<")[0] for tag in ("Code", "Message")]
    return ": ".join(part for part in found if part) or xml[:200]


def _now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")


def signed_headers(method: str, host: str, target: str, keys: Keys, timestamp: str) -> Mapping[str, str]:
    """The headers of a request without query or body. `target` is the encoded path, as it is sent."""
    headers = {"host": host, "x-amz-content-sha256": _NO_BODY, "x-amz-date": timestamp}
    if keys.session_token:
        headers["x-amz-security-token"] = keys.session_token
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    request = f"{method}\n{target}\n\n{lines}\n{names}\n{_NO_BODY}"
    scope = f"{timestamp[:8]}/{keys.region}/s3/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{timestamp}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{keys.secret_access_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    credential = f"{keys.access_key_id}/{scope}"
    authorization = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"
    return {**headers, "authorization": authorization}
