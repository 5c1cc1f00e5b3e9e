"""HTTP to the model server beside us, over its Unix socket. One connection a thread."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """`status` 0: no answer, and `body` says why."""

    status: int
    content_type: str
    body: bytes


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("model", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Client:
    """Requests to one model server. Safe to share between threads."""

    def __init__(self, path: Path, *, timeout_s: float) -> None:
        self._path = path
        self._timeout_s = timeout_s
        self._mine = threading.local()
        self._opened: list[_Connection] = []

    def close(self) -> None:
        """Closes the connections of all threads; none may be in use."""
        while self._opened:
            self._opened.pop().close()

    def get(self, path: str, *, timeout_s: float) -> Reply:
        connection = _Connection(self._path, timeout_s)
        with contextlib.closing(connection):
            return self._once(connection, "GET", path, None, {})

    def post(self, body: bytes, headers: dict[str, str]) -> Reply:
        connection: _Connection | None = getattr(self._mine, "connection", None)
        if connection is None:
            connection = self._mine.connection = _Connection(self._path, self._timeout_s)
            self._opened.append(connection)
        reply = self._once(connection, "POST", "/invocations", body, headers)
        if reply.status == 0:
            connection.close()  # the next request opens it again
        return reply

    def _once(
        self, connection: _Connection, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> Reply:
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            content_type = response.getheader("Content-Type") or ""
            return Reply(status=response.status, content_type=content_type, body=response.read())
        except TimeoutError:
            return Reply(status=0, content_type="", body=b"the model server did not answer in time")
        except (OSError, http.client.HTTPException) as error:
            text = f"the model server went away ({type(error).__name__})"
            return Reply(status=0, content_type="", body=text.encode())
