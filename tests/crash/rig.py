"""One data folder whose server is killed again and again at seeded random points while clients are at work."""

from __future__ import annotations

import contextlib
import functools
import os
import random
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from botocore import exceptions, parsers

from tests.crash import processes
from tests.support import installation

SEED = "GLASSHOUSE_TEST_SEED"
KILLS = 25
"""Kills of the server in one run of a scenario."""
RUNS = 100 if os.environ.get("GLASSHOUSE_TEST_SOAK") else 1


class CutShort(Exception):
    """An answer that ended before its content, which botocore does not notice by itself."""


GONE = (
    CutShort,
    parsers.ResponseParserError,
    exceptions.ConnectionError,
    exceptions.HTTPClientError,
    exceptions.ResponseStreamingError,
    exceptions.IncompleteReadError,
)
"""What a client sees when the server dies under it: it does not know whether its request was carried out."""
ENDED_WITHIN_S = 90.0
PORTS = (20_000, 30_000)
"""Below the ports that the system hands out by itself, so that the server finds its port free again."""


class Rig:
    """`chance` decides every random thing, so a seed repeats a run as far as the machine's own timing allows."""

    def __init__(self, data: Path, seed: int) -> None:
        self.data = data
        self.chance = random.Random(seed)
        self.n_kills = 0
        self.n_early_kills = 0
        self.n_keepers_killed = 0
        self.restart_s: list[float] = []
        self.acknowledged: dict[str, str] = {}
        """The operations that were answered without an error, by the ids of their requests."""
        self.server = installation.Installation(data)
        self._options = ("--port", str(_free_port(self.chance)))
        self._is_killed = threading.Event()

    def start(self) -> None:
        """Starts the server. Now and then it is killed while it starts, and started again."""
        while self.n_kills and self.chance.random() < 0.15:
            self.start_and_kill(self.chance.uniform(0.0, 1.0))
        began = time.monotonic()
        self.server.start(self._options)
        self.restart_s.append(time.monotonic() - began)

    def start_and_kill(self, after_s: float) -> None:
        """Starts the server and kills it before or after it answers."""
        process = self.spawn()
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = process.wait(after_s)
            raise AssertionError(f"the server ended by itself with status {status}\n{self.log()}")
        process.kill()
        process.wait()
        self.n_early_kills += 1

    def spawn(self) -> subprocess.Popen[bytes]:
        """A server that is not waited for."""
        command = [*installation.PROGRAM, "up", "--data", str(self.data), *self._options]
        with self.server.log.open("ab") as output:
            return subprocess.Popen(
                command,
                env=installation.environment(self.server.extra),
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def client(self, service: str) -> Any:
        """A client that outlives the server, since the address stays the same."""
        return self._client(service)

    def ask(self, service: str, operation: str, **request: Any) -> dict[str, Any]:
        """The answer to one request, which is noted."""
        client = self.client(service)
        answer: dict[str, Any] = getattr(client, operation)(**request)
        name = client.meta.method_to_api_mapping[operation]
        self.acknowledged[answer["ResponseMetadata"]["RequestId"]] = name
        return answer

    def crash(
        self,
        *workers: Callable[[], None],
        within: tuple[float, float],
        first: Callable[[], None] = lambda: None,
        then: Callable[[], None] = lambda: None,
    ) -> None:
        """Lets the workers go on in threads of their own, kills the server under them, and starts it again.

        within: the least and the most seconds before the kill. first and then: called just before the kill and
        just after it.
        """
        self._is_killed.clear()
        troubles: list[BaseException] = []
        threads = [threading.Thread(target=self._work, args=(one, troubles)) for one in workers]
        for thread in threads:
            thread.start()
        self._is_killed.wait(self.chance.uniform(*within))
        first()
        self._is_killed.set()
        self.server.kill()
        self.n_kills += 1
        then()
        for thread in threads:
            thread.join()
        if troubles:
            raise troubles[0]
        self.start()

    def kill_keepers(self, run_dirs: Sequence[Path]) -> None:
        """Kills the keepers of these runs, as far as they are alive."""
        alive = processes.keepers(self.data)
        for run_dir in run_dirs:
            if run_dir in alive:
                processes.kill(alive[run_dir])
                self.n_keepers_killed += 1

    def until(self, look: Callable[[], Any], *, within_s: float = ENDED_WITHIN_S, what: str) -> Any:
        """What `look` answers once that is true."""
        deadline = time.monotonic() + within_s
        while not (found := look()):
            assert time.monotonic() < deadline, f"{what} did not happen within {within_s:g} s\n{self.log()}"
            time.sleep(0.05)
        return found

    def log(self) -> str:
        """The end of the server's log."""
        return self.server.log.read_text(errors="replace")[-6000:]

    def report(self) -> str:
        slowest = max(self.restart_s, default=0.0)
        mean = sum(self.restart_s) / max(1, len(self.restart_s))
        return (
            f"{self.n_kills} kills, {self.n_early_kills} more while starting, {self.n_keepers_killed} keepers killed; "
            f"a start took {mean:.2f} s, the slowest {slowest:.2f} s"
        )

    @functools.cache  # noqa: B019 - a rig lives as long as its test
    def _client(self, service: str) -> Any:
        return self.server.client(service)

    def _work(self, worker: Callable[[], None], troubles: list[BaseException]) -> None:
        try:
            while not self._is_killed.is_set():
                worker()
        except GONE as error:
            if not self._is_killed.is_set():
                troubles.append(error)
        except BaseException as error:
            troubles.append(error)


@contextlib.contextmanager
def rigged(*, start: bool = True) -> Iterator[Rig]:
    """A rig on a folder of its own; nothing of it is left at the end, whatever happened."""
    seed = int(os.environ.get(SEED) or random.SystemRandom().randrange(2**31))
    data = Path(tempfile.mkdtemp(prefix="glasshouse-crash-"))
    rig = Rig(data, seed)
    print(f"the same again: {SEED}={seed}")
    began = time.monotonic()
    try:
        if start:
            rig.start()
        yield rig
        print(f"{rig.report()}; {time.monotonic() - began:.0f} s in all")
    except BaseException as error:
        error.add_note(f"{SEED}={seed}; {rig.report()}")
        raise
    finally:
        rig.server.kill()
        while left := processes.of(data):
            for pid in left:
                processes.kill(pid)
        shutil.rmtree(data)
        rig.server.anchors.unlink(missing_ok=True)


def _free_port(chance: random.Random) -> int:
    while True:
        port = chance.randrange(*PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
