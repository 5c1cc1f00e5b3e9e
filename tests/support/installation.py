"""A real `glasshouse up` on a data folder of its own, as a user starts it, and the ways to end and to kill it."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import boto3
import botocore.session
from botocore.config import Config

from glasshouse.kernel import own_services
from glasshouse.kernel.settings import Settings

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAM = (sys.executable, "-m", "glasshouse")
START_WITHIN_S = 60.0
END_WITHIN_S = 60.0
FOREIGN = ("AWS_", "GLASSHOUSE_", "SAGEMAKER_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a child: nothing of the caller's AWS configuration, runtimes shared by all tests."""
    clean = {name: value for name, value in os.environ.items() if not name.upper().startswith(FOREIGN)}
    shared = str(Settings.read().environments_folder)
    return {**clean, "GLASSHOUSE_ENVIRONMENTS": shared, **(extra or {})}


def run(
    *words: str, data: Path | None = None, extra: Mapping[str, str] | None = None, within_s: float = 60
) -> subprocess.CompletedProcess[str]:
    """`glasshouse WORDS`, with --data when one is given."""
    command = [*PROGRAM, *words, *(["--data", str(data)] if data else [])]
    return subprocess.run(
        command, env=environment(extra), capture_output=True, text=True, timeout=within_s, check=False
    )


class Installation:
    """A data folder and the server on it."""

    def __init__(self, data: Path, *, extra: Mapping[str, str] | None = None) -> None:
        self.data = data
        self.anchors = data.with_name(f"{data.name}.anchors")
        self.extra = {"GLASSHOUSE_LEDGER_ANCHOR": str(self.anchors), **(extra or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, options: Sequence[str] = ()) -> None:
        """Starts the server on a free port and waits until it answers."""
        assert self._process is None, "it runs already"
        self.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        command = [*PROGRAM, "up", "--data", str(self.data), "--port", "0", *options]
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                command, env=environment(self.extra), stdout=output, stderr=output, start_new_session=True
            )
        deadline = time.monotonic() + START_WITHIN_S
        while self.told().get("pid") != self._process.pid:
            assert self._process.poll() is None, f"the server ended:\n{self.log.read_text()[-4000:]}"
            assert time.monotonic() < deadline, f"the server did not start:\n{self.log.read_text()[-4000:]}"
            time.sleep(0.02)

    def told(self) -> dict[str, Any]:
        """What the server wrote about itself; empty before that."""
        try:
            found: dict[str, Any] = json.loads((self.data / "server.json").read_text())
        except FileNotFoundError:
            return {}
        return found

    def stop(self) -> int:
        """Ends the server in order. Returns its exit status."""
        return self._ended(signal.SIGTERM)

    def kill(self) -> None:
        """Ends the server at once, as a power cut would."""
        self._ended(signal.SIGKILL)

    def send(self, how: signal.Signals) -> None:
        """Sends a signal and does not wait for what comes of it."""
        assert self._process is not None
        self._process.send_signal(how)

    def wait(self) -> int:
        """Waits for an end that something else brings about. Returns the exit status."""
        return self._ended(None)

    def _ended(self, how: signal.Signals | None) -> int:
        if self._process is None:
            return 0
        process, self._process = self._process, None
        if how is not None:
            process.send_signal(how)
        try:
            return process.wait(END_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    @property
    def log(self) -> Path:
        return self.data / "server.log"

    @property
    def endpoint(self) -> str:
        return str(self.told()["endpoint"])

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def variables(self, *options: str) -> dict[str, str]:
        """What `glasshouse env` prints, as a mapping."""
        done = run("env", *options, data=self.data, extra=self.extra)
        assert done.returncode == 0, done.stderr
        words = (shlex.split(line)[1] for line in done.stdout.splitlines())
        return {name: value for name, _, value in (word.partition("=") for word in words)}

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """`glasshouse WORDS` on this data folder."""
        return run(*words, data=self.data, extra=self.extra)

    def client(self, service: str, *, keys: Mapping[str, str] | None = None, **options: Any) -> Any:
        """A boto3 client with these keys, or else the root identity's."""
        keys = keys or json.loads((self.data / "credentials.json").read_text())
        core: Any = botocore.session.get_session()
        core.get_component("data_loader").search_paths.append(str(own_services.FOLDER))
        session: Any = boto3.session.Session(
            botocore_session=core,
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys["SessionToken"],
            region_name=self.told()["region"],
        )
        config = Config(
            retries={"total_max_attempts": 1}, proxies={}, s3={"addressing_style": "path"}, **options
        )
        return session.client(service, endpoint_url=self.endpoint, config=config)

    def end_what_outlives_it(self) -> None:
        """Ends the keepers of jobs and model servers, which go on without the server by design."""
        for place in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = (place / "cmdline").read_bytes().split(b"\0")
                if any(word.startswith(f"{self.data}/".encode()) for word in words):
                    os.kill(int(place.name), signal.SIGTERM)


@contextlib.contextmanager
def installed(data: Path, *, extra: Mapping[str, str] | None = None) -> Iterator[Installation]:
    """A running server that ends with the block, and everything that it started."""
    one = Installation(data, extra=extra)
    one.start()
    try:
        yield one
    finally:
        try:
            one.stop()
        finally:
            one.end_what_outlives_it()
