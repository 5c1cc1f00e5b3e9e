"""Runs an ASGI application on a free port of this machine."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import uvicorn

_START_DEADLINE_S = 20.0


@contextlib.contextmanager
def serving(app: Any, *, certificate: tuple[Path, Path] | None = None) -> Iterator[str]:
    """The URL at which the application answers until the block ends; with TLS when given certificate and key."""
    chain, key = certificate or (None, None)
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        log_config=None,
        access_log=False,
        lifespan="off",
        http="httptools",
        ssl_certfile=chain,
        ssl_keyfile=key,
        timeout_keep_alive=75,  # as the real server; a shorter one closes connections that clients keep in a pool
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + _START_DEADLINE_S
    while not server.started:
        assert thread.is_alive(), "the server ended while starting"
        assert time.monotonic() < deadline, "the server did not start in time"
        time.sleep(0.005)
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    try:
        yield f"{'https' if certificate else 'http'}://{host}:{port}"
    finally:
        server.should_exit = True
        thread.join(timeout=_START_DEADLINE_S)
