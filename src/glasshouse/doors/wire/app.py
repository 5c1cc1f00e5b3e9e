"""The wire door as an ASGI application: one request in, verified, routed, called, answered."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Protocol, TypeVar

from glasshouse.doors.wire import routing
from glasshouse.doors.wire.protocols import http
from glasshouse.kernel import errors, identity, ids, model, signatures

log = logging.getLogger(__name__)

BODY_LIMIT_BYTES = 8 * 1024 * 1024
BODY_TIMEOUT_S = 60.0
THREADS = 32

_DRAINED_BYTES = 64 * 1024 * 1024
"""How much of a body that is too large is read and thrown away, so that its sender can read why."""

_SCREENED_BYTES = 64 * 1024
"""Bodies up to this size are read before anything is checked: that costs less than checking twice."""

T = TypeVar("T")
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Calls(Protocol):
    """The operations registry, as the door sees it."""

    def call(
        self,
        service: str,
        operation: str,
        body: Mapping[str, Any],
        caller: identity.Caller,
        *,
        request_id: str = "",
    ) -> dict[str, Any]: ...


class Disconnected(Exception):
    """The client went away before its request was complete."""


class WireDoor:
    """Serves AWS JSON 1.0/1.1, query and REST-JSON. Calls run in threads of the door's own; close() ends them."""

    def __init__(
        self,
        *,
        registry: Calls,
        services: model.Services,
        verifier: signatures.Verifier,
        threads: int = THREADS,
        body_limit_bytes: int = BODY_LIMIT_BYTES,
    ) -> None:
        self._registry = registry
        self._verifier = verifier
        self._router = routing.Router(services)
        self._body_limit_bytes = body_limit_bytes
        self._pool = concurrent.futures.ThreadPoolExecutor(threads, thread_name_prefix="wire")

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ValueError(f"the wire door speaks http, not {scope['type']}")
        head = signatures.Head.of_asgi(scope)
        request_id = ids.request_id()
        try:
            answer = await self._answer(head, receive, request_id)
        except Disconnected:
            return
        await _send(send, answer)

    def close(self) -> None:
        """Waits for the calls that are running."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    async def _answer(self, head: signatures.Head, receive: Receive, request_id: str) -> http.Answer:
        protocol = routing.protocol_of(head)
        try:
            if self._is_large(head):
                await self._in_thread(self._screen, protocol, head)
            body = await self._body(receive)
            request = http.Request(head=head, body=body)
            return await self._in_thread(self._handled, protocol, request, request_id)
        except errors.WireError as error:
            return protocol.error(error, request_id)
        except Disconnected:
            raise
        except Exception:
            log.exception("wire.failed", extra={"request_id": request_id, "path": head.path})
            return protocol.error(errors.Internal(request_id), request_id)

    async def _in_thread(self, function: Callable[..., T], *arguments: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)

    def _screen(self, protocol: http.WireProtocol, head: signatures.Head) -> None:
        self._verifier.screen(head, family=protocol.family)

    def _handled(self, protocol: http.WireProtocol, request: http.Request, request_id: str) -> http.Answer:
        """Everything between the whole request and the whole answer."""
        verified = self._verifier.verify(request.head, body=request.body, family=protocol.family)
        route = self._router.route(verified.service, request)
        operation = route.service.operation(route.operation)
        given = protocol.parse(operation, request)
        value = self._registry.call(
            route.service.name, route.operation, given, verified.caller, request_id=request_id
        )
        return protocol.answer(operation, value, request_id)

    def _is_large(self, head: signatures.Head) -> bool:
        """Whether the announced body is worth a check beforehand. Raises errors.WireError when it is beyond all."""
        length = head.header("content-length")
        if length is None:
            return head.header("transfer-encoding") is not None
        size_bytes = int(length) if length.isascii() and length.isdigit() else 0
        if size_bytes > _DRAINED_BYTES:
            raise self._too_large()
        return size_bytes > _SCREENED_BYTES

    async def _body(self, receive: Receive) -> bytes:
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                return await self._received(receive)
        except TimeoutError as exc:
            raise errors.WireError(
                "The body did not arrive in time.", code="RequestTimeoutException", status=408
            ) from exc

    async def _received(self, receive: Receive) -> bytes:
        body = bytearray()
        n_received = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Disconnected
            piece = message.get("body", b"")
            n_received += len(piece)
            if n_received <= self._body_limit_bytes:
                body += piece
            is_last = not message.get("more_body", False)
            if n_received > self._body_limit_bytes and (is_last or n_received > _DRAINED_BYTES):
                raise self._too_large()
            if is_last:
                return bytes(body)

    def _too_large(self) -> errors.WireError:
        return errors.WireError(
            f"The body is larger than {self._body_limit_bytes} bytes.",
            code="RequestEntityTooLargeException",
            status=413,
        )


async def _send(send: Send, answer: http.Answer) -> None:
    headers = {
        "Content-Type": answer.content_type,
        "Content-Length": str(len(answer.body)),
        **answer.headers,
    }
    encoded = [(name.lower().encode("latin-1"), _header(value)) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": encoded})
    await send({"type": "http.response.body", "body": answer.body})


def _header(value: str) -> bytes:
    """A header's value on one line; what Latin-1 does not have becomes "?"."""
    return " ".join(value.splitlines()).encode("latin-1", errors="replace")
