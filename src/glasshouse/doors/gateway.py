"""One port for every service: each request goes to the door that its signature, target or path names."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from glasshouse.kernel import signatures
from glasshouse.kernel.signatures import claims

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Door = Callable[[Scope, Receive, Send], Awaitable[None]]

HEALTH = "/_glasshouse/health"
"""Answers without a signature; no bucket can have such a name."""

RUNTIME_PREFIXES = ("/endpoints/",)
INVOCATION = re.compile(r"/endpoints/[^/]+/(async-)?invocations(-response-stream)?")


class Gateway:
    """The ASGI application. `files` gets what is signed for S3 and what is not signed at all."""

    def __init__(self, *, wire: Door, files: Door, runtime: Door) -> None:
        self._wire = wire
        self._files = files
        self._runtime = runtime

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] == HEALTH:
            await _healthy(send)
            return
        await self._door_of(scope)(scope, receive, send)

    def _door_of(self, scope: Scope) -> Door:
        head = signatures.Head.of_asgi(scope)
        service = claims.signing_name(head)
        if service == "s3" or claims.is_presigned_v2(head):
            return self._files
        if service == "sagemaker" and head.path.startswith(RUNTIME_PREFIXES):
            return self._runtime
        if not service and scope["method"] == "POST" and INVOCATION.fullmatch(head.path):
            return self._runtime  # not signed: refused there, as a client of that service understands it
        if service or head.header("x-amz-target") or _is_query(scope, head):
            return self._wire
        return self._files


def _is_query(scope: Scope, head: signatures.Head) -> bool:
    """An unsigned call of a query service such as STS: refused there, with that protocol's error."""
    form = "application/x-www-form-urlencoded"
    return bool(
        scope["method"] == "POST"
        and scope["path"] == "/"
        and (head.header("content-type") or "").startswith(form)
    )


async def _healthy(send: Send) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b'{"status":"ok"}'})
