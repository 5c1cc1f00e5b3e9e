"""The driver: starts the model server, feeds it every file, and says how it went."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent import futures
from dataclasses import asdict
from pathlib import Path

from glasskit.container.batch import orders as ordering
from glasskit.container.batch import paths, records
from glasskit.container.batch.client import Client
from glasskit.container.batch.orders import Orders
from glasskit.container.batch.sending import Failure, Sender, Sent

STARTUP_S = 240.0
PING_S = 0.02
SHUTDOWN_S = 30.0
REPORT_S = 5.0
RECORDS_FAILED = 3
FAILURES_NAMED = 3


class ServerFailed(RuntimeError):
    """The model server did not come up, or ended."""


def main(base: Path) -> int:
    """The exit status: 0 when every record was transformed, 3 when some were not, 1 when nothing could be done."""
    orders = ordering.read(base / "transform" / "spec.json")
    try:
        with _server(orders) as (server, client):
            orders = ordering.completed(orders, _parameters(client))
            failures = {name: _file(base, name, orders, client, server) for name in orders.files}
    except ServerFailed as error:
        print(f"Error: {error}", flush=True)  # the cause stands above, in the server's own words
        return 1
    except (records.BadFile, paths.BadPath) as error:
        _tell(base, str(error))
        return 1
    failed = {name: found for name, found in failures.items() if found.n_failed}
    if failed:
        _tell(base, _summary(failed))
        return RECORDS_FAILED
    return 0


@contextlib.contextmanager
def _server(orders: Orders) -> Iterator[tuple[subprocess.Popen[bytes], Client]]:
    """The model server, ready, for as long as the context lasts."""
    with tempfile.TemporaryDirectory() as folder:
        socket = Path(folder) / "model.sock"
        server = subprocess.Popen(  # the runtime's own command, from the platform
            orders.server, env={**os.environ, "GLASSHOUSE_SOCKET": str(socket)}
        )
        signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(143))
        try:
            client = Client(socket, timeout_s=orders.timeout_s)
            _wait_until_ready(server, client)
            yield server, client
            client.close()
        finally:
            server.terminate()
            try:
                server.wait(SHUTDOWN_S)
            except subprocess.TimeoutExpired:
                server.kill()


def _wait_until_ready(server: subprocess.Popen[bytes], client: Client) -> None:
    deadline = time.monotonic() + STARTUP_S
    while client.get("/ping", timeout_s=2.0).status != 200:
        if server.poll() is not None:
            raise ServerFailed("the model server ended before it was ready; its log has the cause")
        if time.monotonic() > deadline:
            raise ServerFailed(f"the model server did not pass its health check within {STARTUP_S:g} s")
        time.sleep(PING_S)


def _parameters(client: Client) -> dict[str, object]:
    reply = client.get("/execution-parameters", timeout_s=10.0)
    if reply.status != 200:
        return {}
    try:
        found = json.loads(reply.body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


class _Failures:
    """The records of one file that failed: all of them in a file beside the output, the first few in memory."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.first: list[Failure] = []
        self.n_failed = 0

    def add(self, found: Sequence[Failure]) -> None:
        if not found:
            return
        with self._path.open("a") as file:
            file.writelines(json.dumps(asdict(failure)) + "\n" for failure in found)
        self.first += found[: FAILURES_NAMED - len(self.first)]
        self.n_failed += len(found)


def _file(
    base: Path, name: str, orders: Orders, client: Client, server: subprocess.Popen[bytes]
) -> _Failures:
    """One input file to one output file; the records that failed, which are listed in a file beside it too."""
    target = base / "transform" / "output" / f"{name}.out"
    target.parent.mkdir(parents=True, exist_ok=True)
    found = records.read(
        base / "transform" / "input" / name,
        split=orders.split,
        compression=orders.compression,
        limit_bytes=orders.limit_bytes,
    )
    failures = _Failures(target.with_suffix(".err"))
    n_done, report_at = 0, time.monotonic() + REPORT_S
    with target.open("wb") as out:
        for sent in _ordered(found, orders, Sender(orders, client)):
            out.writelines(sent.pieces)
            failures.add(sorted(sent.failures, key=lambda failure: failure.record))
            n_done += len(sent.pieces) + len(sent.failures)
            if server.poll() is not None:
                raise ServerFailed(f"the model server ended with status {server.returncode}")
            if time.monotonic() > report_at:
                print(f"{name}: {n_done} answers, {failures.n_failed} records failed", flush=True)
                report_at = time.monotonic() + REPORT_S
    print(f"{name}: done, {n_done} answers, {failures.n_failed} records failed", flush=True)
    return failures


def _ordered(found: Iterator[records.Record], orders: Orders, sender: Sender) -> Iterator[Sent]:
    """Several requests at a time, answers in the order of the records, a bounded number in hand."""
    n_threads = max(1, orders.max_concurrent or 1)
    in_hand: collections.deque[futures.Future[Sent]] = collections.deque()
    pool = futures.ThreadPoolExecutor(n_threads)
    try:
        for batch in records.grouped(found, single=orders.single, limit_bytes=orders.limit_bytes):
            in_hand.append(pool.submit(sender.send, batch))
            if len(in_hand) > 2 * n_threads:
                yield in_hand.popleft().result()
        while in_hand:
            yield in_hand.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _summary(failed: Mapping[str, _Failures]) -> str:
    total = sum(found.n_failed for found in failed.values())
    first = [(name, failure) for name, found in failed.items() for failure in found.first][:FAILURES_NAMED]
    named = "; ".join(f"{name} record {f.record}: {f.status} {f.message.rstrip('.')}" for name, f in first)
    noun = "record" if total == 1 else "records"
    return f"{total} {noun} failed, the others were transformed: {named}. The .err files list them all."


def _tell(base: Path, text: str) -> None:
    print(text, flush=True)
    (base / "output").mkdir(exist_ok=True)
    (base / "output" / "failure").write_text(text)
