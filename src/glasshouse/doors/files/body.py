"""The body of a request: read in large pieces, unframed where it is aws-chunked, checked against what was signed."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from concurrent.futures import Executor
from typing import Any, Protocol

from glasshouse.kernel import signatures
from glasshouse.kernel.objects import faults

PIECE_BYTES = 1 << 20
"""What is handed to a thread at once."""

_MOST_LINE_BYTES = 4096
_SIZE = re.compile(rb"[0-9a-fA-F]{1,15}")

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class Sink(Protocol):
    def send(self, chunk: bytes) -> None: ...


class ClientGone(Exception):
    """The client closed the connection before its request was complete."""


class MalformedFrames(faults.Fault):
    code = "InvalidChunkSizeError"
    sentence = "The aws-chunked body is malformed: {}."


class MalformedTrailer(faults.Fault):
    code = "MalformedTrailerError"
    sentence = "The request contained trailing data that was not well-formed or did not conform to our published schema."


class Body:
    """Reads from the connection once. `is_consumed` tells whether nothing of the body is left."""

    def __init__(self, receive: Receive, *, has_body: bool) -> None:
        self._receive = receive
        self.is_started = False
        self.is_consumed = not has_body

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body in pieces of at least PIECE_BYTES, but for the last. Raises ClientGone."""
        self.is_started = True
        gathered: list[bytes] = []
        n_bytes = 0
        while not self.is_consumed:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            gathered.append(message.get("body", b""))
            n_bytes += len(gathered[-1])
            self.is_consumed = not message.get("more_body", False)
            if n_bytes >= PIECE_BYTES or self.is_consumed:
                yield b"".join(gathered)
                gathered, n_bytes = [], 0

    async def pump(self, feed: Callable[[bytes], None], executor: Executor) -> None:
        """Feeds every piece in a thread, while the next one is being received."""
        loop = asyncio.get_running_loop()
        feeding: asyncio.Future[None] | None = None
        try:
            async for piece in self.pieces():
                if feeding is not None:
                    await feeding
                feeding = loop.run_in_executor(executor, feed, piece)
        finally:
            if feeding is not None:
                await feeding

    async def gone(self) -> None:
        """Returns when the client closed the connection."""
        while (await self._receive())["type"] != "http.disconnect":
            pass


class Unframed:
    """Takes the frames of an aws-chunked body and sends on what they hold; checks signatures when there are any."""

    def __init__(self, sink: Sink, verifier: signatures.ChunkVerifier | None, *, has_trailer: bool) -> None:
        self._sink = sink
        self._verifier = verifier
        self._has_trailer = has_trailer
        self._buffer = b""
        self._at = 0
        self._expect: Callable[[], bool] = self._size_line
        self._rest = 0
        self._signature = ""
        self._hash = hashlib.sha256()
        self._content: list[bytes] = []
        self._is_done = False
        self.trailers: dict[str, str] = {}

    def feed(self, piece: bytes) -> None:
        """Raises a fault as soon as something is wrong."""
        self._buffer = self._buffer[self._at :] + piece
        self._at = 0
        while self._expect():
            pass
        if self._content:
            content, self._content = b"".join(self._content), []
            self._sink.send(content)

    def finish(self) -> Mapping[str, str]:
        """The trailing headers. Raises IncompleteBody when the last frame did not come."""
        if not self._is_done:
            raise faults.IncompleteBody
        return self.trailers

    def _size_line(self) -> bool:
        line = self._line()
        if line is None:
            return False
        size, _, extension = line.partition(b";")
        if not _SIZE.fullmatch(size):
            raise MalformedFrames("a size cannot be read")
        self._rest = int(size, 16)
        self._signature = extension.decode("latin-1").strip().removeprefix("chunk-signature=")
        self._hash = hashlib.sha256()
        self._expect = self._data if self._rest else self._last_frame
        return True

    def _data(self) -> bool:
        taken = self._buffer[self._at : self._at + self._rest]
        self._at += len(taken)
        self._rest -= len(taken)
        if taken:
            self._content.append(taken)
            if self._verifier is not None:
                self._hash.update(taken)
        if not self._rest:
            self._expect = self._end_of_data
        return bool(taken)

    def _end_of_data(self) -> bool:
        end = self._buffer[self._at : self._at + 2]
        if len(end) < 2:
            return False
        if end != b"\r\n":
            raise MalformedFrames("a frame is longer than its size")
        self._at += 2
        self._check()
        self._expect = self._size_line
        return True

    def _last_frame(self) -> bool:
        self._check()
        self._expect = self._trailer_line
        return True

    def _trailer_line(self) -> bool:
        line = self._line()
        if line is None:
            return False
        if not line:
            self._end()
            return True
        name, separator, value = line.decode("latin-1").partition(":")
        name = name.strip().lower()
        if not separator or not self._has_trailer or name in self.trailers:
            raise MalformedTrailer
        self.trailers[name] = value.strip()
        return True

    def _end(self) -> None:
        if self._verifier is not None and self._has_trailer:
            signature = self.trailers.pop("x-amz-trailer-signature", "")
            text = "".join(f"{name}:{value}\n" for name, value in self.trailers.items())
            self._verifier.trailer(text.encode(), signature)
        self._is_done = True
        self._expect = self._nothing

    def _nothing(self) -> bool:
        if self._at < len(self._buffer):
            raise MalformedFrames("something follows the last frame")
        return False

    def _check(self) -> None:
        if self._verifier is not None:
            self._verifier.chunk(self._hash.hexdigest(), self._signature)

    def _line(self) -> bytes | None:
        end = self._buffer.find(b"\r\n", self._at, self._at + _MOST_LINE_BYTES)
        if end < 0:
            if len(self._buffer) - self._at >= _MOST_LINE_BYTES:
                raise MalformedFrames("a line is too long")
            return None
        line = self._buffer[self._at : end]
        self._at = end + 2
        return line
