"""The server of a data folder: where it answers, and clients for it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import time
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from glasshouse.doors.cli import failures
from glasshouse.doors.cli.root import Keys
from glasshouse.kernel import locks, own_services
from glasshouse.kernel.settings import Settings

FILE = "server.json"
"""Written by the server into its data folder once it listens."""
LOCK = "server.lock"
"""Held by the server for as long as it lives: what a killed one has written is not believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server as it describes itself.

    proxy: where it answers CONNECT. certificate: the chain it shows when it speaks TLS. Both may be empty.
    """

    endpoint: str
    region: str
    account: str
    pid: int
    proxy: str = ""
    certificate: str = ""

    def answers(self) -> bool:
        """Whether something listens there."""
        where = urllib.parse.urlsplit(self.endpoint)
        try:
            with socket.create_connection((where.hostname, where.port or 80), timeout=2):
                return True
        except OSError:
            return False


def find(data: Path) -> Server | None:
    """The server that runs on the data folder, or None."""
    try:
        told = json.loads((data / FILE).read_text())
        server = Server(
            endpoint=told["endpoint"],
            region=told["region"],
            account=told["account"],
            pid=int(told["pid"]),
            proxy=told.get("proxy", ""),
            certificate=told.get("certificate", ""),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return server if locks.holder(data / LOCK) == server.pid else None


def need(data: Path) -> Server:
    """The server that runs on the data folder. Raises Failed when there is none."""
    server = find(data)
    if server is None:
        raise failures.Failed(
            f"No server runs on {data}. Start one with: glasshouse up --data {data}",
            status=failures.NOT_RUNNING,
        )
    return server


def stop(data: Path, server: Server, *, within_s: float) -> bool:
    """Asks the server of the data folder to end and waits for it. False when it has not ended in time."""
    deadline = time.monotonic() + within_s
    with contextlib.suppress(ProcessLookupError):
        os.kill(server.pid, signal.SIGTERM)
    while locks.holder(data / LOCK) == server.pid:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def client(service: str, *, server: Server, keys: Keys) -> Any:
    """A boto3 client that speaks to this server only, whatever the caller's AWS configuration says."""
    import boto3
    import botocore.session
    from botocore.config import Config

    core: Any = botocore.session.get_session()
    core.get_component("data_loader").search_paths.append(str(own_services.FOLDER))
    session: Any = boto3.session.Session(
        botocore_session=core,
        aws_access_key_id=keys.access_key_id,
        aws_secret_access_key=keys.secret_access_key,
        aws_session_token=keys.session_token,
        region_name=server.region,
    )
    options: Any = Config(
        retries={"max_attempts": 2, "mode": "standard"},
        connect_timeout=5,
        read_timeout=600,
        proxies={},
        s3={"addressing_style": "path"},
    )
    return session.client(
        service, endpoint_url=server.endpoint, config=options, verify=server.certificate or None
    )


def keys_of(settings: Settings, load: Any) -> Keys:
    """The root keys. Raises Failed with the way to mend it."""
    try:
        found: Keys = load(settings)
    except RuntimeError as error:
        raise failures.Failed(str(error)) from error
    return found


def is_free(host: str, port: int) -> bool:
    """Whether the port can be opened now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
