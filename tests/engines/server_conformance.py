"""What every server of models must do. A class of tests for one inherits from this and has a fixture `server`."""

from __future__ import annotations

import dataclasses
import http.client
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from glasshouse.kernel import errors, ports
from tests.engines import bench as benches

SOCKET = Path("/run/glasshouse/model.sock")
MODEL = """
import http.server, os, signal, socket, socketserver, sys, threading, time
class Model(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        self.answer(READY() if self.path == "/ping" else 404, b"")
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(200, body.upper())
    def address_string(self):
        return "door"
class Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
READY = lambda: 200
"""
SERVE = f"""
Server({str(SOCKET)!r}, Model).serve_forever()
"""
TERMINABLE = """
signal.signal(15, lambda *_: os._exit(0))
"""


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=5)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(5)
        self.sock.connect(self._path)


def post(address: str, body: bytes) -> tuple[int, bytes]:
    connection = _Connection(address.removeprefix("unix:"))
    try:
        connection.request("POST", "/invocations", body=body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


class ServerConformance:
    """The behaviour of ports.Server."""

    @pytest.fixture
    def server(self, tmp_path: Path) -> ports.Server:
        raise NotImplementedError

    @pytest.fixture
    def bench(self, tmp_path: Path) -> Iterator[benches.Bench]:
        with benches.at(tmp_path) as bench:
            yield bench

    def replica(self, bench: benches.Bench, program: str, **more: object) -> ports.Replica:
        job = bench.job(program, **more)
        return ports.Replica(job=job, socket=SOCKET)

    def stopped(self, server: ports.Server, handle: ports.Handle, *, grace_s: float = 5) -> ports.Exited:
        server.stop(handle, grace_s=grace_s)
        state = benches.eventually(lambda: server.look(handle).exited)
        assert isinstance(state, ports.Exited)
        return state

    @pytest.mark.slow
    def test_a_replica_without_network_is_ready_and_answers(
        self, server: ports.Server, bench: benches.Bench
    ) -> None:
        handle = server.start(self.replica(bench, MODEL + TERMINABLE + SERVE, network="none"))
        benches.eventually(lambda: server.look(handle).ready)
        assert post(server.address(handle), b"a decision") == (200, b"A DECISION")
        assert self.stopped(server, handle).reason == "stopped"
        assert not server.look(handle).ready

    @pytest.mark.slow
    def test_a_replica_is_not_ready_while_ping_says_so(
        self, server: ports.Server, bench: benches.Bench
    ) -> None:
        slow = "began = time.monotonic()\nREADY = lambda: print('asked', flush=True) or (200 if time.monotonic() > began + 0.4 else 503)\n"
        replica = self.replica(bench, MODEL + TERMINABLE + slow + SERVE)
        handle = server.start(replica)
        seen = []
        benches.eventually(lambda: seen.append(server.look(handle).ready) or seen[-1])
        assert seen.count(True) == 1
        assert "asked" in benches.lines_of(replica.job.hosts[0].log)
        assert benches.lines_of(replica.job.hosts[0].log).count("asked") > 1
        self.stopped(server, handle)

    @pytest.mark.slow
    def test_a_replica_that_listens_and_says_nothing_is_not_ready(
        self, server: ports.Server, bench: benches.Bench
    ) -> None:
        mute = f"import socket, time\ns = socket.socket(socket.AF_UNIX)\ns.bind({str(SOCKET)!r})\ns.listen()\nprint('up', flush=True)\ntime.sleep(600)"
        replica = self.replica(bench, mute)
        handle = server.start(replica)
        bench.wait_for_line(replica.job, "up")
        assert server.look(handle) == ports.ReplicaState(ready=False)
        self.stopped(server, handle)

    def test_a_replica_that_ends_tells_how(self, server: ports.Server, bench: benches.Bench) -> None:
        handle = server.start(self.replica(bench, "raise SystemExit(5)"))
        state = benches.eventually(lambda: server.look(handle).exited)
        assert (state.code, state.reason) == (5, "exited")

    @pytest.mark.slow
    def test_a_replica_started_twice_is_one(self, server: ports.Server, bench: benches.Bench) -> None:
        replica = self.replica(bench, MODEL + TERMINABLE + "print('once', flush=True)\n" + SERVE)
        first = server.start(replica)
        benches.eventually(lambda: server.look(first).ready)
        second = server.start(replica)
        assert first == second
        assert server.look(second).ready
        self.stopped(server, first)
        assert benches.lines_of(replica.job.hosts[0].log).count("once") == 1

    @pytest.mark.slow
    def test_two_replicas_with_one_path_inside_are_apart(
        self, server: ports.Server, bench: benches.Bench
    ) -> None:
        handles = [server.start(self.replica(bench, MODEL + TERMINABLE + SERVE)) for _ in range(2)]
        for handle in handles:
            benches.eventually(lambda handle=handle: server.look(handle).ready)
        assert len({server.address(handle) for handle in handles}) == 2
        self.stopped(server, handles[0])
        assert server.look(handles[1]).ready
        self.stopped(server, handles[1])

    def test_a_replica_of_two_hosts_is_refused(self, server: ports.Server, bench: benches.Bench) -> None:
        replica = self.replica(bench, "pass")
        job = dataclasses.replace(replica.job, hosts=replica.job.hosts * 2)
        with pytest.raises(errors.Fatal, match="one host"):
            server.start(dataclasses.replace(replica, job=job))
