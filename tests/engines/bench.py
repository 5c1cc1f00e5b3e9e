"""Small jobs for the executors' tests, and what came of them."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from glasshouse.engines.execute import records, sandbox
from glasshouse.kernel import ports

DEADLINE_S = 30.0
PYTHON = str(Path(sys.executable).resolve())
INTERPRETER = ports.Mount(source=Path(sys.base_prefix), target=sys.base_prefix)


def eventually(condition: Callable[[], Any], *, deadline_s: float = DEADLINE_S) -> Any:
    """The first true thing that the condition answers; fails when there is none in time."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.005)
    raise AssertionError(f"did not come about within {deadline_s} s")


@dataclass
class Bench:
    """Makes jobs of Python programs and runs them on an executor."""

    executor: ports.Executor
    root: Path
    numbers: Any = field(default_factory=itertools.count)

    def job(
        self,
        *programs: str | Sequence[str],
        network: ports.Network = "none",
        mounts: Sequence[ports.Mount] = (),
        env: Mapping[str, str] | None = None,
        workdir: str = "/",
        **limits: Any,
    ) -> ports.Job:
        """A job of one host for each program: Python source, or the arguments of any other program."""
        run_dir = self.root / f"run-{next(self.numbers)}"
        hosts = tuple(
            ports.Host(
                name=f"algo-{number}",
                argv=(PYTHON, "-I", "-S", "-c", program) if isinstance(program, str) else tuple(program),
                env=env or {},
                mounts=(INTERPRETER, *mounts),
                log=run_dir / "logs" / f"algo-{number}.jsonl",
                workdir=workdir,
            )
            for number, program in enumerate(programs, start=1)
        )
        return ports.Job(
            id=run_dir.name, hosts=hosts, run_dir=run_dir, network=network, limits=ports.Limits(**limits)
        )

    def close(self) -> None:
        """Ends what a failed test left running: jobs outlive the process that submitted them."""
        for run_dir in self.root.glob("run-*"):
            keeper = records.holder(str(run_dir))
            if keeper is not None:
                os.kill(keeper, signal.SIGKILL)

    def run(self, *programs: str | Sequence[str], **more: Any) -> tuple[ports.Exited, list[list[str]]]:
        """How a job ended, and each host's lines."""
        job = self.job(*programs, **more)
        return self.wait(self.executor.submit(job)), [lines_of(host.log) for host in job.hosts]

    def ask(self, program: str, **more: Any) -> Any:
        """The JSON value that a program's last line is."""
        exited, (lines,) = self.run(program, **more)
        assert (exited.code, exited.reason) == (0, "exited"), (exited, lines)
        return json.loads(lines[-1])

    def wait(self, handle: ports.Handle) -> ports.Exited:
        def ended() -> ports.Exited | None:
            state = self.executor.look(handle)
            assert not isinstance(state, ports.Lost)
            return state if isinstance(state, ports.Exited) else None

        exited = eventually(ended)
        assert isinstance(exited, ports.Exited)
        return exited

    def wait_for_line(self, job: ports.Job, text: str) -> None:
        """Returns once the first host has written a line."""
        eventually(lambda: text in lines_of(job.hosts[0].log))


@contextlib.contextmanager
def at(root: Path, executor: ports.Executor | None = None) -> Iterator[Bench]:
    """A bench of which nothing runs on."""
    made = Bench(executor=executor or sandbox.SandboxExecutor(), root=root)
    try:
        yield made
    finally:
        made.close()


def lines_of(log: Path) -> list[str]:
    """The finished lines of a log."""
    if not log.exists():
        return []
    *whole, _ = log.read_bytes().split(b"\n")
    return [json.loads(line)["m"] for line in whole]
