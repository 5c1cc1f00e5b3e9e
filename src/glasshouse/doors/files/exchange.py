"""Sends an answer down the connection, and sees to what is left of the request."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from concurrent.futures import Executor
from typing import Any, TypeVar

from glasshouse.doors.files import answers, requests, xml
from glasshouse.doors.files.answers import Answer
from glasshouse.doors.files.body import Body, ClientGone
from glasshouse.kernel import signatures

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Outcome = TypeVar("Outcome")

MOST_DRAINED_BYTES = 8 << 20
"""A refused request's body is read so far, that its client comes to read the answer."""

_CONTROL = re.compile("[\\x00-\\x08\\x0a-\\x1f\\x7f]")


class Exchange:
    """One request's answer. It is sent once; what comes after its beginning cannot change its status."""

    def __init__(self, head: signatures.Head, reader: Body, send: Send, *, request_id: str) -> None:
        self.request_id = request_id
        self._head = head
        self._reader = reader
        self._send = send
        self._is_begun = False
        self._is_dripping = False

    async def wait(self, work: asyncio.Future[Outcome], patience_s: float | None) -> Outcome:
        """What the work answers. When it takes longer than the patience, the answer begins with white space."""
        if patience_s is None or self._head.method == "HEAD":
            return await work
        while not work.done():
            await asyncio.wait({work}, timeout=patience_s)
            if not work.done():
                await self._drip()
        return work.result()

    async def answer(self, answer: Answer, threads: Executor | None = None) -> None:
        """Sends it; when an answer was begun already, as much of it as can still be said."""
        if self._is_dripping:
            self._is_dripping = False
            await self._send_body(answer.body.removeprefix(xml.DECLARATION))
            return
        if self._is_begun:
            return
        is_head = self._head.method == "HEAD"
        size_bytes = answer.size_bytes or len(answer.body)
        if is_head and answer.status >= 300:
            size_bytes = 0
        has_length = answer.status not in (204, 304)
        headers = dict(answer.headers) | ({"content-length": str(size_bytes)} if has_length else {})
        if not await self._drained():
            headers["connection"] = "close"
        await self._begin(answer.status, headers)
        if is_head or answer.content is None or threads is None or not size_bytes:
            await self._send_body(b"" if is_head else answer.body)
        else:
            await self._stream(answer.content, size_bytes, threads)

    async def _drip(self) -> None:
        if not self._is_begun:
            await self._begin(200, {"content-type": "application/xml"})
            self._is_dripping = True
            await self._send_body(xml.DECLARATION, more=True)
        await self._send_body(b" ", more=True)

    async def _begin(self, status: int, headers: dict[str, str]) -> None:
        self._is_begun = True
        headers |= {"x-amz-request-id": self.request_id, "x-amz-id-2": answers.host_id(self.request_id)}
        encoded = [(_header_name(name), _header_value(value)) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": encoded})

    async def _send_body(self, content: bytes, *, more: bool = False) -> None:
        await self._send({"type": "http.response.body", "body": content, "more_body": more})

    async def _stream(self, content: Iterator[bytes], size_bytes: int, threads: Executor) -> None:
        """Sends the content while the next piece is being read. Raises ClientGone when nobody listens any more."""
        loop = asyncio.get_running_loop()
        gone = asyncio.ensure_future(self._reader.gone())
        reading = loop.run_in_executor(threads, next, content, b"")
        rest = size_bytes
        try:
            while rest:
                piece = await reading
                rest -= len(piece)
                if not piece or rest < 0:
                    raise RuntimeError(f"stored content is not {size_bytes} bytes long")
                if rest:
                    reading = loop.run_in_executor(threads, next, content, b"")
                await self._send_body(piece, more=rest > 0)
                if gone.done() and rest:
                    raise ClientGone
        finally:
            gone.cancel()
            await asyncio.wait({reading})

    async def _drained(self) -> bool:
        """Whether the connection can take another request.

        Not after an answer in the place of an expected 100 Continue, even to an empty body: botocore before
        1.44 (awsrequest.AWSConnection) would keep this status for the connection's next upload, and hang.
        """
        if not self._reader.is_started and self._head.header("expect"):
            return False
        if self._reader.is_consumed:
            return True
        n_bytes = 0
        async for piece in self._reader.pieces():
            n_bytes += len(piece)
            if n_bytes > MOST_DRAINED_BYTES:
                return False
        return True


def _header_name(name: str) -> bytes:
    """Raises ValueError for what is no header's name."""
    if not requests.HEADER_NAME.fullmatch(name):
        raise ValueError("a header has a name that none can have")
    return name.encode("ascii")


def _header_value(value: str) -> bytes:
    """Raises ValueError for what would break out of its header."""
    if _CONTROL.search(value):
        raise ValueError("a header's value holds a control character")
    return value.encode("utf-8")
