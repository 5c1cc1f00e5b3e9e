"""What every executor must do. A class of tests for one inherits from this and has a fixture `executor`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from glasshouse.kernel import ports
from tests.engines import bench as benches

FOREVER = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
LISTENER = """
import socket, sys
server = socket.create_server((socket.gethostname(), 5000))
connection, _ = server.accept()
print(connection.recv(99).decode())
connection.sendall(b"and you")
"""
CALLER = """
import socket, time
for attempt in range(500):
    try:
        connection = socket.create_connection(("algo-1", 5000), timeout=5)
        break
    except ConnectionRefusedError:
        time.sleep(0.01)
connection.sendall(b"hello from " + socket.gethostname().encode())
print(connection.recv(99).decode())
"""
SUBMITTER = """
import json, os, pathlib, pickle, signal, sys
executor, job = pickle.loads(bytes.fromhex(sys.stdin.read()))
print(json.dumps(executor.submit(job)), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
LOOKER = """
import pickle, sys
executor, handle = pickle.loads(bytes.fromhex(sys.stdin.read()))
print(repr(executor.look(handle)))
"""


class ExecutorConformance:
    """The behaviour of ports.Executor."""

    @pytest.fixture
    def executor(self) -> ports.Executor:
        raise NotImplementedError

    @pytest.fixture
    def bench(self, executor: ports.Executor, tmp_path: Path) -> Iterator[benches.Bench]:
        with benches.at(tmp_path, executor) as bench:
            yield bench

    def test_it_finds_no_problem_where_it_works(self, executor: ports.Executor) -> None:
        assert executor.problems() == ()

    def test_output_and_errors_become_lines_in_order(self, bench: benches.Bench) -> None:
        exited, (lines,) = bench.run(
            "import sys\nfor n in range(300): print(n, file=(sys.stdout, sys.stderr)[n % 2], flush=True)"
        )
        assert (exited.code, exited.reason) == (0, "exited")
        assert lines == [str(number) for number in range(300)]

    def test_all_output_is_there_when_the_job_has_ended(self, bench: benches.Bench) -> None:
        _, (lines,) = bench.run("for n in range(50_000): print(n)")
        assert lines == [str(number) for number in range(50_000)]

    def test_the_times_of_a_run_enclose_its_lines(self, bench: benches.Bench) -> None:
        job = bench.job("print(1)")
        exited = bench.wait(bench.executor.submit(job))
        t = json.loads(job.hosts[0].log.read_text())["t"] / 1000
        assert exited.started_at - 0.001 <= t <= exited.ended_at + 0.001

    @pytest.mark.parametrize("code", [1, 7, 255])
    def test_the_exit_code_is_the_programs(self, bench: benches.Bench, code: int) -> None:
        exited, _ = bench.run(f"raise SystemExit({code})")
        assert (exited.code, exited.reason, exited.host) == (code, "exited", "algo-1")

    def test_a_program_killed_by_a_signal_ends_with_128_and_its_number(self, bench: benches.Bench) -> None:
        exited, _ = bench.run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
        assert (exited.code, exited.reason) == (137, "exited")

    def test_a_program_that_does_not_exist_is_not_started(self, bench: benches.Bench) -> None:
        exited, _ = bench.run(["no-such-program", "x"])
        assert exited.reason == "not_started"
        assert exited.code != 0
        assert "no-such-program" in exited.detail

    def test_a_mount_that_does_not_exist_is_named(self, bench: benches.Bench, tmp_path: Path) -> None:
        mount = ports.Mount(source=tmp_path / "missing", target="/opt/ml")
        exited, _ = bench.run("print(1)", mounts=[mount])
        assert exited.reason == "not_started"
        assert "missing" in exited.detail

    def test_the_environment_is_the_jobs_and_nothing_of_the_servers(
        self, bench: benches.Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the server's")
        seen = bench.ask("import os, json; print(json.dumps(dict(os.environ)))", env={"A": "1 ü", "B": ""})
        assert {name: seen.pop(name) for name in ("A", "B")} == {"A": "1 ü", "B": ""}
        assert set(seen) <= {"PATH", "HOME", "LANG", "PWD", "LC_CTYPE"}

    def test_a_program_starts_with_no_signal_ignored_or_blocked(self, bench: benches.Bench) -> None:
        settable = sum(1 << number - 1 for number in signal.valid_signals())  # the C library keeps two
        before = signal.signal(
            signal.SIGQUIT, signal.SIG_IGN
        )  # as a shell does for what runs in the background
        try:
            _, (lines,) = bench.run(
                ["/bin/sh", "-c", "grep -E 'Sig(Ign|Blk)' /proc/self/status; yes | head -n 1"]
            )
        finally:
            signal.signal(signal.SIGQUIT, before)
        assert lines[-1] == "y", lines
        masks = {name: int(mask, 16) & settable for name, mask in (line.split() for line in lines[:-1])}
        assert masks == {"SigBlk:": 0, "SigIgn:": 0}, lines

    def test_a_program_starts_in_its_work_directory(self, bench: benches.Bench) -> None:
        assert bench.ask("import os, json; print(json.dumps(os.getcwd()))", workdir="/usr") == "/usr"

    def test_a_writable_mount_is_written_through(self, bench: benches.Bench, tmp_path: Path) -> None:
        (tmp_path / "ml").mkdir()
        mount = ports.Mount(source=tmp_path / "ml", target="/opt/ml", writable=True)
        exited, _ = bench.run("open('/opt/ml/model', 'w').write('weights')", mounts=[mount])
        assert exited.code == 0
        assert (tmp_path / "ml" / "model").read_text() == "weights"

    def test_a_host_that_fails_ends_the_others(self, bench: benches.Bench) -> None:
        exited, _ = bench.run(FOREVER, "raise SystemExit(3)")
        assert (exited.code, exited.reason, exited.host) == (3, "exited", "algo-2")

    def test_a_job_has_ended_when_all_its_hosts_have(self, bench: benches.Bench) -> None:
        exited, lines = bench.run("print('first')", "import time; time.sleep(0.2); print('second')")
        assert (exited.code, lines) == (0, [["first"], ["second"]])

    @pytest.mark.parametrize("network", ["job", "host"])
    def test_hosts_of_a_job_reach_each_other_by_name(
        self, bench: benches.Bench, network: ports.Network
    ) -> None:
        exited, lines = bench.run(LISTENER, CALLER, network=network)
        assert exited.code == 0, lines
        assert lines == [["hello from algo-2"], ["and you"]]

    def test_a_stopped_program_may_end_in_its_own_way(self, bench: benches.Bench) -> None:
        job = bench.job(
            "import signal, sys, time\n"
            "signal.signal(15, lambda *_: (print('saved', flush=True), sys.exit(0)))\n"
            "print('up', flush=True)\ntime.sleep(600)"
        )
        handle = bench.executor.submit(job)
        bench.wait_for_line(job, "up")
        bench.executor.stop(handle, grace_s=60)
        exited = bench.wait(handle)
        assert (exited.code, exited.reason) == (0, "stopped")
        assert benches.lines_of(job.hosts[0].log) == ["up", "saved"]

    def test_a_program_that_will_not_stop_is_killed_after_the_grace(self, bench: benches.Bench) -> None:
        job = bench.job(STUBBORN)
        handle = bench.executor.submit(job)
        bench.wait_for_line(job, "up")
        bench.executor.stop(handle, grace_s=0.3)
        exited = bench.wait(handle)
        assert (exited.code, exited.reason) == (137, "stopped")

    def test_a_second_wish_to_stop_shortens_the_grace(self, bench: benches.Bench) -> None:
        job = bench.job(STUBBORN)
        handle = bench.executor.submit(job)
        bench.wait_for_line(job, "up")
        bench.executor.stop(handle, grace_s=600)
        bench.executor.stop(handle, grace_s=0)
        assert bench.wait(handle).reason == "stopped"

    def test_stopping_right_after_submitting_stops(self, bench: benches.Bench) -> None:
        handle = bench.executor.submit(bench.job(FOREVER))
        bench.executor.stop(handle, grace_s=5)
        assert bench.wait(handle).reason == "stopped"

    def test_stopping_what_has_ended_changes_nothing(self, bench: benches.Bench) -> None:
        handle = bench.executor.submit(bench.job("print(1)"))
        before = bench.wait(handle)
        bench.executor.stop(handle, grace_s=0)
        assert bench.executor.look(handle) == before

    def test_a_program_that_runs_too_long_is_timed_out(self, bench: benches.Bench) -> None:
        exited, _ = bench.run(FOREVER, time_s=0.2)
        assert (exited.code, exited.reason) == (143, "timed_out")

    def test_the_time_limit_also_ends_who_ignores_it(self, bench: benches.Bench) -> None:
        exited, _ = bench.run(STUBBORN, time_s=0.2, grace_s=0.2)
        assert (exited.code, exited.reason) == (137, "timed_out")

    @pytest.mark.slow
    def test_too_much_memory_is_told_apart_from_failure(self, bench: benches.Bench) -> None:
        greedy = "import time\nkept = []\nfor _ in range(400): kept.append(bytearray(b'x' * (1 << 20))); time.sleep(0.003)"
        exited, _ = bench.run(greedy, memory_bytes=100 << 20)
        assert (exited.code, exited.reason) == (137, "out_of_memory")

    def test_memory_below_the_limit_is_granted(self, bench: benches.Bench) -> None:
        exited, _ = bench.run("kept = b'x' * (50 << 20)", memory_bytes=200 << 20)
        assert (exited.code, exited.reason) == (0, "exited")

    def test_processors_are_limited_where_libraries_look(self, bench: benches.Bench) -> None:
        assert bench.ask("import os; print(len(os.sched_getaffinity(0)))", cpus=0.5) == 1

    def test_an_id_submitted_twice_runs_once(self, bench: benches.Bench) -> None:
        job = bench.job("print('once')")
        first, second = bench.executor.submit(job), bench.executor.submit(job)
        bench.wait(first)
        third = bench.executor.submit(job)
        assert first == second == third
        assert isinstance(bench.executor.look(third), ports.Exited)
        assert benches.lines_of(job.hosts[0].log) == ["once"]

    def test_an_id_submitted_by_many_at_once_runs_once(self, bench: benches.Bench) -> None:
        job = bench.job("print('once')")
        handles: list[ports.Handle] = []
        threads = [
            threading.Thread(target=lambda: handles.append(bench.executor.submit(job))) for _ in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        bench.wait(handles[0])
        assert len({json.dumps(handle) for handle in handles}) == 1
        assert benches.lines_of(job.hosts[0].log) == ["once"]

    @pytest.mark.slow
    def test_a_job_outlives_a_killed_server_and_is_found_by_its_handle(self, bench: benches.Bench) -> None:
        job = bench.job("import time; time.sleep(0.5); print('finished')")
        done = _python(SUBMITTER, (bench.executor, job))
        assert done.returncode == -signal.SIGKILL, done.stderr
        handle = ports.Handle(json.loads(done.stdout))
        assert "Running" in _python(LOOKER, (bench.executor, handle)).stdout
        assert bench.wait(handle).code == 0
        assert benches.lines_of(job.hosts[0].log) == ["finished"]
        assert bench.executor.submit(job) == handle

    def test_nothing_is_known_of_a_run_that_never_was(self, bench: benches.Bench, tmp_path: Path) -> None:
        handle = bench.executor.submit(bench.job("print(1)"))
        bench.wait(handle)
        elsewhere = ports.Handle({**handle, "run_dir": str(tmp_path / "elsewhere")})
        assert isinstance(bench.executor.look(elsewhere), ports.Lost)
        bench.executor.stop(elsewhere, grace_s=0)


def _python(program: str, arguments: object) -> subprocess.CompletedProcess[str]:
    import pickle

    return subprocess.run(
        [sys.executable, "-c", program],
        input=pickle.dumps(arguments).hex(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])},
    )
