"""Opens the port and keeps it open until the server is told to end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from glasshouse.doors.gateway import Door
from glasshouse.kernel import locks
from glasshouse.kernel.settings import Settings

log = logging.getLogger(__name__)

RECORD = "server.json"
LOCK = "server.lock"
"""Held by the one server of the data folder for as long as it lives."""
BACKLOG = 2048


class CannotListen(RuntimeError):
    """The port cannot be opened, or must not be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """An open socket and the address clients use."""

    socket: socket.socket
    url: str


def hold_folder(data: Path) -> None:
    """Makes this process the one server of the data folder. Raises CannotListen when there is another."""
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        is_ours = locks.take(data / LOCK)
    except OSError as error:
        reason = error.strerror or error
        raise CannotListen(f"The data folder {data} cannot be used ({reason}); name another.") from error
    if not is_ours:
        raise CannotListen(f"Another server is using {data}; stop it or name another folder.")


def open_port(settings: Settings) -> Listener:
    """Binds the port. Raises CannotListen with the way to mend it."""
    if not settings.is_loopback and not settings.tls_certificate and not settings.insecure:
        raise CannotListen(
            f"Listening on {settings.host} without TLS would send data and model answers in the clear; give "
            "--tls-certificate and --tls-key, or --insecure to accept that."
        )
    if settings.tls_certificate:
        _check_certificate(settings)
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((settings.host, settings.port))
    except OSError as error:
        opened.close()
        raise CannotListen(
            f"Port {settings.port} on {settings.host} cannot be opened ({error.strerror}); is another server "
            "using it? Choose another with --port."
        ) from error
    opened.listen(BACKLOG)
    host = "127.0.0.1" if settings.is_loopback or settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104 - compared, not bound
    scheme = "https" if settings.tls_certificate else "http"
    return Listener(socket=opened, url=f"{scheme}://{host}:{opened.getsockname()[1]}")


def _check_certificate(settings: Settings) -> None:
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
            settings.tls_certificate, settings.tls_key
        )
    except OSError as error:
        raise CannotListen(
            f"The certificate {settings.tls_certificate} with the key {settings.tls_key} cannot be used "
            f"({error.strerror or error}); both are PEM files."
        ) from error


def serve(
    door: Door,
    listener: Listener,
    settings: Settings,
    *,
    started: Callable[[], None],
    closing: Callable[[], Awaitable[None]],
    ended: Callable[[], None],
) -> None:
    """Answers until SIGTERM or SIGINT; then running requests get drain_s seconds. Blocks.

    started: called when requests are being answered. closing: run in the event loop after the last request.
    ended: called when the loop is gone.
    """
    config = uvicorn.Config(
        door,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=int(settings.drain_s),
        ssl_certfile=settings.tls_certificate or None,
        ssl_keyfile=settings.tls_key or None,
    )
    told_to_end = _survive_signals()
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_serve(uvicorn.Server(config), listener, started, told_to_end))
        runner.run(_awaited(closing))
    ended()


async def _serve(
    server: uvicorn.Server, listener: Listener, started: Callable[[], None], told_to_end: threading.Event
) -> None:
    task = asyncio.create_task(server.serve(sockets=[listener.socket]))
    while not server.started and not task.done():
        await asyncio.sleep(0.01)
    if told_to_end.is_set():
        server.should_exit = True
    if server.started:
        started()
    await task


async def _awaited(closing: Callable[[], Awaitable[None]]) -> None:
    await closing()


def write_record(settings: Settings, listener: Listener, *, proxy: str = "") -> None:
    """Tells other commands where the server of this data folder answers, and its CONNECT door."""
    content = {
        "endpoint": listener.url,
        "region": settings.region,
        "account": settings.account,
        "pid": os.getpid(),
        "proxy": proxy,
        "certificate": str(Path(settings.tls_certificate).resolve()) if settings.tls_certificate else "",
    }
    path = settings.data / RECORD
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(content))
    draft.rename(path)


def remove_record(data: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        (data / RECORD).unlink()


def _survive_signals() -> threading.Event:
    """Set by a signal that comes before uvicorn listens to signals.

    Uvicorn drains on SIGTERM and then raises the signal again; the rest of our shutdown comes after that.
    """
    told_to_end = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: told_to_end.set())
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # whoever ignores it never learns how a child ended
    return told_to_end
