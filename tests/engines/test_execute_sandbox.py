"""The sandbox executor: its port's conformance suite, with cgroups and without, and what it survives."""

from __future__ import annotations

import json
import os
import pickle
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from glasshouse.engines.execute import records, sandbox
from glasshouse.kernel import errors, ports
from tests.engines import bench as benches
from tests.engines.executor_conformance import FOREVER, ExecutorConformance


class TestWithTheMachinesLimits(ExecutorConformance):
    @pytest.fixture
    def executor(self) -> ports.Executor:
        return sandbox.SandboxExecutor()

    def test_too_many_processes_are_refused(self, bench: benches.Bench) -> None:
        if os.geteuid() != 0:
            pytest.skip("without a cgroup the limit counts all the user's processes")
        program = (
            "import os, json, time\nmade = 0\n"
            "for _ in range(60):\n"
            "    try:\n        if os.fork() == 0: time.sleep(60)\n"
            "    except BlockingIOError: break\n"
            "    made += 1\n"
            "print(made, flush=True)\nos.kill(1, 9) if False else None"
        )
        made = bench.ask(program, n_processes=20)
        assert 10 < made < 20


class TestWithoutCgroups(ExecutorConformance):
    @pytest.fixture
    def executor(self) -> ports.Executor:
        return sandbox.SandboxExecutor(cgroups=False)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[benches.Bench]:
    with benches.at(tmp_path) as bench:
        yield bench


def keeper_of(job: ports.Job) -> int:
    pid = records.holder(str(job.run_dir))
    assert pid is not None
    return pid


def test_what_a_program_left_running_ends_with_it(bench: benches.Bench) -> None:
    job = bench.job(
        "import os, time\nif os.fork() == 0:\n    os.setsid(); time.sleep(600)\nprint('main done')"
    )
    bench.wait(bench.executor.submit(job))
    benches.eventually(lambda: records.holder(str(job.run_dir)) is None)


@pytest.mark.slow
def test_a_killed_keeper_takes_its_sandboxes_along_and_the_job_is_lost(bench: benches.Bench) -> None:
    job = bench.job(FOREVER, FOREVER, network="job")
    handle = bench.executor.submit(job)
    keeper = psutil.Process(keeper_of(job))
    # for each host: bwrap, its process 1, the program
    benches.eventually(lambda: len(keeper.children(recursive=True)) == 6)
    family = keeper.children(recursive=True)
    keeper.kill()
    assert psutil.wait_procs(family, timeout=10)[1] == []
    assert isinstance(bench.executor.look(handle), ports.Lost)
    assert bench.executor.submit(job) == handle
    assert isinstance(bench.executor.look(handle), ports.Lost)


@pytest.mark.slow
@pytest.mark.parametrize("delay_ms", range(0, 60, 4))
def test_a_keeper_killed_at_any_moment_leaves_nobody_behind(bench: benches.Bench, delay_ms: int) -> None:
    mark = secrets.token_hex()
    job = bench.job(f"{FOREVER} # {mark}")
    handle = bench.executor.submit(job)
    signal.sigtimedwait([], delay_ms / 1000)
    os.kill(keeper_of(job), signal.SIGKILL)
    benches.eventually(lambda: isinstance(bench.executor.look(handle), ports.Lost))

    assert [
        process for process in psutil.process_iter(["cmdline"]) if mark in str(process.info["cmdline"])
    ] == []


def test_a_crash_between_the_specification_and_the_start_is_made_good(bench: benches.Bench) -> None:
    job = bench.job("print('once')")
    job.run_dir.mkdir()
    specification = bench.executor._spec(job)  # type: ignore[attr-defined] # as a submit that died here left it
    records.write(str(job.run_dir), records.SPEC, specification)
    handle = ports.Handle({"engine": "sandbox", "job": job.id, "run_dir": str(job.run_dir)})
    assert isinstance(bench.executor.look(handle), ports.Lost)
    assert bench.wait(bench.executor.submit(job)).code == 0
    assert benches.lines_of(job.hosts[0].log) == ["once"]


@pytest.mark.slow
@pytest.mark.parametrize("delay_ms", range(0, 60, 5))
def test_a_server_killed_while_it_submits_starts_the_job_once(bench: benches.Bench, delay_ms: int) -> None:
    job = bench.job("print('once')")
    program = "import pickle, sys\nexecutor, job = pickle.loads(bytes.fromhex(sys.stdin.readline()))\nprint()\nsys.stdout.flush(); sys.stdin.readline(); executor.submit(job)"
    server = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    with server:
        assert server.stdin is not None
        assert server.stdout is not None
        server.stdin.write(pickle.dumps((bench.executor, job)).hex() + "\n")
        server.stdin.flush()
        server.stdout.readline()
        server.stdin.write("\n")
        server.stdin.flush()
        signal.sigtimedwait([], delay_ms / 1000)
        server.kill()
    assert bench.wait(bench.executor.submit(job)).code == 0
    assert benches.lines_of(job.hosts[0].log) == ["once"]


def test_no_process_is_left_when_a_job_has_ended(bench: benches.Bench) -> None:
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    job = bench.job("print(1)")
    bench.wait(bench.executor.submit(job))
    benches.eventually(lambda: records.holder(str(job.run_dir)) is None)
    assert {child.pid for child in psutil.Process().children(recursive=True)} <= before


def test_a_log_goes_on_after_a_line_that_was_cut_short(bench: benches.Bench) -> None:
    job = bench.job("print('after')")
    job.hosts[0].log.parent.mkdir(parents=True)
    job.hosts[0].log.write_bytes(b'{"t":1,"m":"be')
    bench.wait(bench.executor.submit(job))
    assert json.loads(job.hosts[0].log.read_bytes().split(b"\n")[1])["m"] == "after"


def test_records_are_for_the_server_alone(bench: benches.Bench) -> None:
    job = bench.job("print(1)", env={"TOKEN": "secret"})
    bench.wait(bench.executor.submit(job))
    for path in [job.run_dir, *job.run_dir.glob("*.json"), job.hosts[0].log]:
        assert path.stat().st_mode & 0o077 == 0, path


def test_where_no_sandbox_can_be_had_a_job_is_refused_with_what_to_do(tmp_path: Path) -> None:
    executor = sandbox.SandboxExecutor(bwrap=tmp_path / "bwrap")
    (problem,) = executor.problems()
    assert "bubblewrap" in problem.fix
    with pytest.raises(errors.Fatal, match="GLASSHOUSE_UNSANDBOXED_JOBS=accept-the-risk") as caught:
        executor.submit(benches.Bench(executor=executor, root=tmp_path).job("print(1)"))
    assert "bubblewrap" in caught.value.reason
    assert not (tmp_path / "run-0" / records.SPEC).exists()


def test_a_sandbox_that_the_kernel_forbids_is_a_problem_that_tells_why(tmp_path: Path) -> None:
    bwrap = tmp_path / "bwrap"
    bwrap.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    bwrap.chmod(0o755)
    (problem,) = sandbox.SandboxExecutor(bwrap=bwrap).problems()
    assert "No permissions to create new namespace" in problem.what


class TestUnsandboxed:
    """With the risk accepted and no sandbox to be had."""

    @pytest.fixture
    def bench(self, tmp_path: Path) -> Iterator[benches.Bench]:
        with benches.at(
            tmp_path, sandbox.SandboxExecutor(unsandboxed=True, bwrap=tmp_path / "none")
        ) as bench:
            yield bench

    def test_a_job_of_one_host_runs_with_its_mounts_as_links(
        self, bench: benches.Bench, tmp_path: Path
    ) -> None:
        (tmp_path / "ml").mkdir()
        target = tmp_path / "opt" / "ml"
        mount = ports.Mount(source=tmp_path / "ml", target=str(target), writable=True)
        job = bench.job(
            f"open({str(target / 'model')!r}, 'w').write('w'); print('done')", network="host", mounts=[mount]
        )
        assert bench.wait(bench.executor.submit(job)).code == 0
        assert (tmp_path / "ml" / "model").read_text() == "w"

    def test_a_place_that_is_taken_is_left_alone(self, bench: benches.Bench, tmp_path: Path) -> None:
        (tmp_path / "ml").mkdir()
        (tmp_path / "taken").mkdir()
        mount = ports.Mount(source=tmp_path / "ml", target=str(tmp_path / "taken"))
        exited = bench.wait(bench.executor.submit(bench.job("print(1)", network="host", mounts=[mount])))
        assert (exited.reason, (tmp_path / "taken").is_symlink()) == ("not_started", False)
        assert "taken" in exited.detail

    def test_only_one_runs_at_a_time(self, bench: benches.Bench) -> None:
        first = bench.job(FOREVER, network="host")
        handle = bench.executor.submit(first)
        bench.wait_for_line(first, "up")
        second = bench.wait(bench.executor.submit(bench.job("print(1)", network="host")))
        bench.executor.stop(handle, grace_s=5)
        assert bench.wait(handle).reason == "stopped"
        assert second.reason == "not_started"
        assert "one" in second.detail

    @pytest.mark.parametrize("network", ["none", "job"])
    def test_isolation_is_never_pretended(self, bench: benches.Bench, network: ports.Network) -> None:
        with pytest.raises(errors.Fatal, match="network isolation"):
            bench.executor.submit(bench.job("print(1)", network=network))
