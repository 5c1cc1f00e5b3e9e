"""`glasshouse demo NAME`: runs a solution against the server of the data folder, or against one of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from glasshouse.doors.cli import failures, running
from glasshouse.doors.cli.root import Root, Wish
from glasshouse.kernel.settings import Settings

START_WITHIN_S = 60.0
END_WITHIN_S = 40.0


def run(name: str, settings: Settings, root: Root, *, source: Path | None, stay: bool, clean: bool) -> int:
    """Runs the demo, or its clean-up. With `stay` the server stays up until Ctrl-C."""
    if name not in root.demos:
        known = ", ".join(sorted(root.demos)) or "none"
        raise failures.Failed(f"There is no demo {name}; there is: {known}.", status=failures.USAGE)
    if source is not None and not source.is_file():
        raise failures.Failed(f"{source} is not a file.", status=failures.USAGE)
    demo = root.demos[name]()
    with _server(settings) as server:
        keys = running.keys_of(settings, root.keys)
        wish = Wish(
            endpoint=server.endpoint,
            region=server.region,
            keys=keys,
            data=settings.data,
            folder=settings.data / "demo" / name,
            source=source,
        )
        wish.folder.mkdir(parents=True, exist_ok=True)
        try:
            (demo.clean if clean else demo.run)(wish)
        except RuntimeError as error:
            raise failures.Failed(f"The demo stopped: {error}") from error
        if stay and not clean:
            _say(f"\nThe server stays up at {server.endpoint}; Ctrl-C ends it.")
            _wait_for_end(server)
    return 0


@contextlib.contextmanager
def _server(settings: Settings) -> Iterator[running.Server]:
    """The server that runs already, or one of our own that ends with us."""
    found = running.find(settings.data)
    if found is not None:
        yield found
        return
    port = settings.port if running.is_free(settings.host, settings.port) else 0
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    log = settings.data / "server.log"
    command = [
        sys.executable,
        "-m",
        "glasshouse",
        "up",
        "--data",
        str(settings.data),
        "--port",
        str(port),
    ]
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "ab") as output:
        # A process group of its own: Ctrl-C reaches us, and we end it in order.
        process = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
    try:
        yield _started(process, settings.data, log)
    finally:
        _end(process)


def _started(process: subprocess.Popen[bytes], data: Path, log: Path) -> running.Server:
    deadline = time.monotonic() + START_WITHIN_S
    while time.monotonic() < deadline:
        server = running.find(data)
        if server is not None and server.pid == process.pid:
            return server
        if process.poll() is not None:
            break
        time.sleep(0.05)
    tail = "\n".join(log.read_text(errors="replace").splitlines()[-10:])
    raise failures.Failed(f"The server did not start. The end of {log}:\n{tail}")


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        process.wait(END_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_for_end(server: running.Server) -> None:
    """Until Ctrl-C, SIGTERM or the end of the server."""
    ended = threading.Event()
    with contextlib.suppress(KeyboardInterrupt):
        previous = signal.signal(signal.SIGTERM, lambda *_: ended.set())
        try:
            while not ended.wait(1.0) and server.answers():
                pass
        finally:
            signal.signal(signal.SIGTERM, previous)


def _say(text: str) -> None:
    print(text, flush=True)
