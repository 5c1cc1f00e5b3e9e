"""A container of ours as a real process against a folder laid out as /opt/ml."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_BYTECODE = Path(tempfile.gettempdir()) / f"glasshouse-bytecode-{os.getuid()}"
"""Shared by all processes of the tests: without bytecode XGBoost alone takes seconds to import."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What a container's process left behind."""

    status: int
    output: str
    failure: str


class Container:
    """`base` plays /opt/ml."""

    def __init__(
        self, base: Path, *, algorithm: str = "", python: str = sys.executable, **environment: str
    ) -> None:
        self.base = base
        self.python = python
        for folder in ("input/config", "input/data", "model", "output"):
            (base / folder).mkdir(parents=True, exist_ok=True)
        quiet = {"PYTHONPYCACHEPREFIX": str(_BYTECODE), "SAGEMAKER_BASE_DIR": str(base)}
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self.environment = {**kept, **quiet, **environment}
        if algorithm:
            self.environment["GLASSHOUSE_ALGORITHM"] = algorithm
        self.resources()

    def hyperparameters(self, values: Mapping[str, str]) -> None:
        self.config("hyperparameters.json", values)

    def channels(self, **content_types: str) -> None:
        config = {
            name: {"ContentType": kind, "TrainingInputMode": "File"} for name, kind in content_types.items()
        }
        self.config("inputdataconfig.json", config)

    def resources(self, *hosts: str) -> None:
        names = list(hosts or ("algo-1",))
        group = {"instance_group_name": "homogeneousCluster", "instance_type": "ml.m5.large", "hosts": names}
        self.config(
            "resourceconfig.json",
            {
                "current_host": names[0],
                "current_instance_type": "ml.m5.large",
                "current_group_name": "homogeneousCluster",
                "hosts": names,
                "instance_groups": [group],
                "network_interface_name": "eth0",
            },
        )

    def config(self, name: str, value: Any) -> None:
        self.write(f"input/config/{name}", json.dumps(value))

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def start(self, command: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self.python, "-m", "glasskit.container", command],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def train(self) -> Ended:
        child = self.start("train")
        output, _ = child.communicate(timeout=120)
        return self.ended(child.returncode, output)

    def ended(self, status: int, output: str) -> Ended:
        failure = self.base / "output" / "failure"
        return Ended(status=status, output=output, failure=failure.read_text() if failure.exists() else "")

    @contextlib.contextmanager
    def serving(self) -> Iterator[Client]:
        """A server on a Unix socket, ready when the block starts and asked to end when it is left."""
        path = self.base / "s"
        path.unlink(missing_ok=True)
        self.environment["GLASSHOUSE_SOCKET"] = str(path)
        child = self.start("serve")
        client = Client(path, child)
        try:
            wait_until(lambda: child.poll() is not None or client.is_ready())
            if child.poll() is not None:
                raise AssertionError(f"the server ended: {child.communicate()[0]}")
            yield client
        finally:
            child.terminate()
            client.output, _ = child.communicate(timeout=60)
            client.status = child.returncode


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    status: int
    body: bytes
    headers: Mapping[str, str]


class Client:
    """HTTP over a Unix socket, one connection a request."""

    def __init__(self, path: Path, server: subprocess.Popen[str]) -> None:
        self.path = path
        self._server = server
        self.output = ""
        self.status: int | None = None

    def is_ready(self) -> bool:
        try:
            return self.get("/ping").status == 200
        except (FileNotFoundError, ConnectionRefusedError):
            return False

    def accepts(self) -> bool:
        """Whether a connection can be made."""
        with socket.socket(socket.AF_UNIX) as link:
            try:
                link.connect(str(self.path))
            except (FileNotFoundError, ConnectionRefusedError):
                return False
        return True

    def signal(self, number: int) -> None:
        self._server.send_signal(number)

    def get(self, path: str) -> Reply:
        return self._send("GET", path, b"", {})

    def invoke(self, body: str | bytes, content_type: str, accept: str = "*/*", **headers: str) -> Reply:
        raw = body.encode() if isinstance(body, str) else body
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._send(
            "POST", "/invocations", raw, {"Content-Type": content_type, "Accept": accept, **named}
        )

    def _send(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        connection = http.client.HTTPConnection("localhost", timeout=60)
        with socket.socket(socket.AF_UNIX) as link:
            link.connect(str(self.path))
            connection.sock = link
            connection.request(method, path, body=body, headers=dict(headers))
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Reply(status=response.status, body=response.read(), headers=found)


def wait_until(condition: Any, *, deadline_s: float = 60.0) -> None:
    """Polls until the condition holds. Raises TimeoutError."""
    end = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("the condition did not come to hold")
        time.sleep(0.02)


def archive(path: Path, files: Mapping[str, str]) -> Path:
    """A tar.gz of text files, as the SDK's sourcedir.tar.gz."""
    folder = path.with_name(path.name + ".d")
    for name, text in files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    with tarfile.open(path, "w:gz") as tar:
        for name in files:
            tar.add(folder / name, arcname=name)
    return path
