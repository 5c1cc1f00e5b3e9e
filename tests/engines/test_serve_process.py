"""Model servers as jobs of the sandbox executor: the port's conformance suite, and what a hostile one may try."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

import pytest

from glasshouse.engines.execute import sandbox
from glasshouse.engines.serve import places, process
from glasshouse.kernel import errors, ports
from tests.engines import bench as benches
from tests.engines.server_conformance import MODEL, SERVE, SOCKET, TERMINABLE, ServerConformance, post


class TestProcessServer(ServerConformance):
    @pytest.fixture
    def server(self, tmp_path: Path) -> ports.Server:
        return process.ProcessServer(sandbox.SandboxExecutor(), sockets=tmp_path / "run")

    def test_another_server_object_finds_the_replica_by_its_handle(
        self, server: ports.Server, bench: benches.Bench, tmp_path: Path
    ) -> None:
        handle = server.start(self.replica(bench, MODEL + TERMINABLE + SERVE))
        benches.eventually(lambda: server.look(handle).ready)
        other = process.ProcessServer(sandbox.SandboxExecutor(), sockets=tmp_path / "elsewhere")
        assert other.look(handle).ready
        assert post(other.address(handle), b"x") == (200, b"X")
        self.stopped(other, handle)

    @pytest.mark.slow
    def test_a_socket_that_is_bound_anew_is_followed(
        self, server: ports.Server, bench: benches.Bench
    ) -> None:
        anew = f"""
first = Server({str(SOCKET)!r}, Model)
threading.Thread(target=first.serve_forever, daemon=True).start()
def again(*_):
    first.shutdown(); first.server_close(); os.unlink({str(SOCKET)!r})
    second = Server({str(SOCKET)!r}, Model)
    threading.Thread(target=second.serve_forever, daemon=True).start()
    print('bound anew', flush=True)
while not os.path.exists('/run/glasshouse/again'): time.sleep(0.01)
again()
signal.pause()
"""
        replica = self.replica(bench, MODEL + TERMINABLE + anew)
        handle = server.start(replica)
        benches.eventually(lambda: server.look(handle).ready)
        address = Path(server.address(handle).removeprefix("unix:"))
        (address.parent / "inside" / "again").touch()
        bench.wait_for_line(replica.job, "bound anew")
        benches.eventually(lambda: server.look(handle).ready)
        assert post(server.address(handle), b"x") == (200, b"X")
        self.stopped(server, handle)

    @pytest.mark.slow
    def test_a_replica_cannot_lend_the_server_another_socket(
        self, server: ports.Server, bench: benches.Bench, tmp_path: Path
    ) -> None:
        """Were its link followed, the server would talk to whatever service of the machine it names."""
        target = f"/tmp/glasshouse-test-{os.getpid()}.sock"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as service:
            service.bind(target)
            try:
                service.listen()
                service.settimeout(0.5)
                program = f"import os, time; os.symlink({target!r}, {str(SOCKET)!r}); print('up', flush=True); time.sleep(600)"
                replica = self.replica(bench, program)
                handle = server.start(replica)
                bench.wait_for_line(replica.job, "up")
                assert server.look(handle) == ports.ReplicaState(ready=False)
                assert not Path(server.address(handle).removeprefix("unix:")).exists()
                with pytest.raises(TimeoutError):
                    service.accept()
            finally:
                Path(target).unlink()
        self.stopped(server, handle, grace_s=0)

    def test_nothing_is_left_of_an_ended_replicas_sockets(
        self, server: ports.Server, bench: benches.Bench, tmp_path: Path
    ) -> None:
        handle = server.start(self.replica(bench, MODEL + TERMINABLE + SERVE))
        benches.eventually(lambda: server.look(handle).ready)
        self.stopped(server, handle)
        assert list((tmp_path / "run").iterdir()) == []

    def test_a_data_directory_with_a_long_path_works(self, bench: benches.Bench, tmp_path: Path) -> None:
        long = tmp_path / ("long-" * 20)
        server = process.ProcessServer(sandbox.SandboxExecutor(), sockets=long)
        handle = server.start(self.replica(bench, MODEL + TERMINABLE + SERVE))
        benches.eventually(lambda: server.look(handle).ready)
        assert len(server.address(handle)) < places.LONGEST
        self.stopped(server, handle)
        shutil.rmtree(Path(handle["socket"]).parents[1])


def test_a_place_that_others_can_enter_is_refused(tmp_path: Path) -> None:
    place = places.short_enough(tmp_path / ("x" * 120), "name")
    try:
        assert place.stat().st_mode & 0o777 == 0o700
        place.chmod(0o755)
        with pytest.raises(errors.Fatal, match="only this user"):
            places.short_enough(tmp_path / ("x" * 120), "name")
    finally:
        place.rmdir()
