"""Answers CONNECT for STS's addresses, ends their TLS here, and passes the bytes on to this server's own port."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import ssl
import threading
import urllib.parse
from collections.abc import Awaitable

from glasshouse.doors.connect.authority import Authority
from glasshouse.kernel import clock as clocks

log = logging.getLogger(__name__)

OURS = re.compile(r"sts(\.[a-z0-9-]+)?\.amazonaws\.com")
HTTPS_PORT = "443"
HEAD_BYTES = 8192
PATIENCE_S = 10.0
IDLE_S = 120.0
CHUNK_BYTES = 65536


class CannotStart(RuntimeError):
    """The door's port cannot be opened."""


class Proxy:
    """The door, in a thread of its own. It opens no connection to any other machine."""

    def __init__(
        self, *, authority: Authority, clock: clocks.Clock, server: str, server_ca: str = ""
    ) -> None:
        """`server` is the URL of our own port; `server_ca` the certificate file it shows when that is https."""
        self._authority = authority
        self._clock = clock
        self._server = urllib.parse.urlsplit(server)
        self._server_tls = _trusting(server_ca) if self._server.scheme == "https" else None
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self.url = ""

    def start(self, *, host: str = "127.0.0.1", port: int = 0) -> None:
        """Opens the port; `url` says where. Raises CannotStart."""
        opened = threading.Event()
        problem: list[OSError] = []

        async def answer() -> None:
            try:
                listener = await asyncio.start_server(self._tunnel, host, port, limit=HEAD_BYTES)
            except OSError as error:
                problem.append(error)
                opened.set()
                return
            self._loop = asyncio.get_running_loop()
            self.url = f"http://{host}:{listener.sockets[0].getsockname()[1]}"
            opened.set()
            async with listener:
                with contextlib.suppress(asyncio.CancelledError):
                    await listener.serve_forever()

        self._thread = threading.Thread(target=lambda: asyncio.run(answer()), name="connect", daemon=True)
        self._thread.start()
        opened.wait()
        if problem:
            raise CannotStart(
                f"The CONNECT door cannot listen on {host}: {problem[0].strerror}."
            ) from problem[0]

    def stop(self) -> None:
        """Closes the port and every tunnel."""
        if self._loop is None or self._thread is None:
            return
        loop, self._loop = self._loop, None
        loop.call_soon_threadsafe(_cancel_all, loop)
        self._thread.join(PATIENCE_S)

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            host = await asyncio.wait_for(_asked_host(reader, writer), PATIENCE_S)
            if host:
                await self._serve(host, reader, writer)
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError) as error:
            log.info("connect.broken", extra={"reason": str(error)})
        finally:
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                await asyncio.wait_for(writer.wait_closed(), PATIENCE_S)

    async def _serve(self, host: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await writer.start_tls(self._context(host), ssl_handshake_timeout=PATIENCE_S)
        inward, outward = await asyncio.open_connection(
            self._server.hostname, self._server.port, ssl=self._server_tls
        )
        try:
            await _first_ended(_copied(reader, outward), _copied(inward, writer))
        finally:
            outward.close()

    def _context(self, host: str) -> ssl.SSLContext:
        """One certificate a host; made anew by a restart, which comes before it ends."""
        if host not in self._contexts:
            now = clocks.as_datetime(self._clock.now())
            self._contexts[host] = self._authority.context(host, now=now)
        return self._contexts[host]


async def _asked_host(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
    """The host of a CONNECT that is ours; empty after a refusal."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    method, _, rest = head.partition(" ")
    host, _, port = rest.partition(" ")[0].lower().rpartition(":")
    if method != "CONNECT":
        await _refuse(writer, "405 Method Not Allowed", "This port answers CONNECT only.")
        return ""
    if port != HTTPS_PORT or not OURS.fullmatch(host):
        await _refuse(writer, "403 Forbidden", f"Only STS is answered here, not {host}:{port}.")
        return ""
    return host


async def _refuse(writer: asyncio.StreamWriter, status: str, text: str) -> None:
    body = f"{text}\n".encode("ascii", "replace")
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()


async def _copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until the end of the stream, or until nothing came for IDLE_S."""
    while chunk := await asyncio.wait_for(reader.read(CHUNK_BYTES), IDLE_S):
        writer.write(chunk)
        await writer.drain()


async def _first_ended(*ways: Awaitable[None]) -> None:
    tasks = [asyncio.ensure_future(way) for way in ways]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _trusting(certificate: str) -> ssl.SSLContext:
    """TLS to our own port: exactly our own certificate is trusted, whatever name it has."""
    context = ssl.create_default_context(cafile=certificate)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    for task in asyncio.all_tasks(loop):
        task.cancel()
