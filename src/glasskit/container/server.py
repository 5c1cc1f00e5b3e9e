"""The HTTP side of a model server: /ping, /invocations and /execution-parameters, on a port or a Unix socket."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import traceback
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from concurrent import futures
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glasskit.container import requests

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_DRAIN_S = 30
_KEEP_ALIVE_S = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where to listen: the Unix socket when there is one, else the port on all interfaces."""

    socket: Path | None = None
    port: int = 8080


class App:
    """The ASGI application. The handler runs in `n_threads` threads; more requests wait their turn.

    documents: path -> what a GET of it answers, besides the contract's own paths.
    """

    def __init__(
        self, handler: requests.Handler, *, n_threads: int, documents: Mapping[str, bytes] | None = None
    ) -> None:
        self._handler = handler
        self._documents = documents or {}
        self._n_threads = n_threads
        self._threads = futures.ThreadPoolExecutor(n_threads, thread_name_prefix="invoke")

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        answer = await self._route(scope, receive)
        headers = [(b"content-type", answer.content_type.encode("latin-1", "replace"))]
        headers += [
            (name.encode("latin-1"), value.encode("latin-1", "replace"))
            for name, value in answer.headers.items()
        ]
        headers.append((b"content-length", str(len(answer.body)).encode()))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    async def _route(self, scope: Message, receive: Receive) -> requests.Answer:
        route = (scope["method"], scope["path"])
        if route == ("GET", "/ping"):
            return requests.Answer()
        if route == ("POST", "/invocations"):
            body = await _body(receive)
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(
                self._threads, self._invoke, requests.Request(body=body, headers=headers)
            )
        if route == ("GET", "/execution-parameters"):
            return self._execution_parameters()
        if scope["method"] == "GET" and scope["path"] in self._documents:
            return requests.Answer(
                body=self._documents[scope["path"]], content_type="application/octet-stream"
            )
        known = scope["path"] in ("/ping", "/invocations", "/execution-parameters")
        return requests.Answer(status=405 if known else 404, body=b"There is nothing here.\n")

    def _invoke(self, request: requests.Request) -> requests.Answer:
        try:
            return self._handler.invoke(request)
        except requests.Rejected as exc:
            return requests.Answer(status=exc.status, body=str(exc).encode())
        except Exception as exc:  # the door: one request's error is its answer, not the server's end
            traceback.print_exc()
            return requests.Answer(status=500, body=traceback.format_exception_only(exc)[-1].strip().encode())

    def _execution_parameters(self) -> requests.Answer:
        defaults = {
            "MaxConcurrentTransforms": self._n_threads,
            "BatchStrategy": "MULTI_RECORD",
            "MaxPayloadInMB": 6,
        }
        found = {**defaults, **self._handler.execution_parameters()}
        return requests.Answer(body=json.dumps(found).encode(), content_type="application/json")


async def _body(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    if not message.get("more_body"):
        return body
    parts = [body]
    while message.get("more_body"):
        message = await receive()
        parts.append(message.get("body", b""))
    return b"".join(parts)


def serve(
    handler: requests.Handler,
    address: Address,
    *,
    n_threads: int,
    documents: Mapping[str, bytes] | None = None,
) -> None:
    """Serves until SIGTERM, then answers what is in flight and returns."""
    import uvicorn

    signal.signal(signal.SIGTERM, lambda number, frame: None)  # uvicorn raises it again after it has drained
    config = uvicorn.Config(
        App(handler, n_threads=n_threads, documents=documents),
        uds=str(address.socket) if address.socket else None,
        host="0.0.0.0",  # noqa: S104  # the contract: reachable from outside the container
        port=address.port,
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=_DRAIN_S,
        timeout_keep_alive=_KEEP_ALIVE_S,
    )
    where = f"unix:{address.socket}" if address.socket else f"port {address.port}"
    sys.stdout.write(f"Serving on {where} with {n_threads} threads\n")
    sys.stdout.flush()
    uvicorn.Server(config).run()


def default_threads() -> int:
    """As many as there are processors to run on."""
    return len(os.sched_getaffinity(0))
