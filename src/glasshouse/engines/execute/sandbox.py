"""Jobs as process trees on this machine, each host in a sandbox of its own."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import os
import select
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from glasshouse.engines.execute import orphans, probe, records
from glasshouse.kernel import errors, ids, ports

_KEEPER = Path(__file__).with_name("keeper.py")
_KEEPER_LOG = "keeper.log"
_KEEPER_ENV = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
_START_TIMEOUT_S = 60


class SandboxExecutor:
    """Runs each host in namespaces of its own through bwrap, kept by a detached process per job.

    unsandboxed: where a sandbox cannot be had, run jobs of one host without one, instead of refusing.
    hide: directories that no job may see even where they lie inside the system's.
    cgroups: whether to limit by cgroups where the machine lets us.
    bwrap: the program to use instead of the one that is found.
    """

    def __init__(
        self,
        *,
        unsandboxed: bool = False,
        hide: Sequence[Path] = (),
        cgroups: bool = True,
        bwrap: Path | None = None,
    ) -> None:
        self._unsandboxed = unsandboxed
        self._hide = tuple(path.resolve() for path in hide)
        self._cgroups = cgroups
        self._bwrap = bwrap or probe.find_bwrap()
        self._proved = False

    def problems(self) -> tuple[ports.Problem, ...]:
        """Why jobs cannot run isolated here. What works once is not tried again."""
        found = () if self._proved else probe.problems(self._bwrap)
        self._proved = not found
        return found

    def submit(self, job: ports.Job) -> ports.Handle:
        """Starts the job unless its run_dir has been started before; returns once a keeper owns it.

        Raises errors.Fatal when the job can never run here, and errors.Retry when its keeper did not
        come up.
        """
        run_dir = job.run_dir.absolute()
        run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _one_submitter(run_dir):
            spec = records.read(str(run_dir), records.SPEC)
            if spec is None:
                spec = self._spec(job)
                records.write(str(run_dir), records.SPEC, spec)
            if not (run_dir / records.STARTED).exists():
                _start_keeper(run_dir, spec["mark"])
        return ports.Handle({"engine": "sandbox", "job": job.id, "run_dir": str(run_dir)})

    def look(self, handle: ports.Handle) -> ports.Running | ports.Exited | ports.Lost:
        """What has become of the job, from its files and its keeper's lock alone.

        Lost is answered once nothing of the run is alive. Raises errors.Retry when that takes too long.
        """
        run_dir = Path(handle["run_dir"])
        state = _state(run_dir)
        if state is None and run_dir.is_dir():
            with _one_submitter(run_dir):
                state = _state(run_dir)
                if state is None:
                    _end_orphans(run_dir)
        return state or ports.Lost()

    def stop(self, handle: ports.Handle, *, grace_s: float) -> None:
        """Leaves the wish for the keeper and wakes it; the keeper sees to the grace."""
        run_dir = str(handle["run_dir"])
        if Path(run_dir).is_dir():
            records.write(run_dir, records.STOP, {"grace_s": grace_s})
            records.wake(run_dir)

    def _spec(self, job: ports.Job) -> dict[str, Any]:
        _check(job)
        return {
            "job": job.id,
            "mark": ids.token(),
            "hosts": [_host(host) for host in job.hosts],
            "network": job.network,
            "limits": dataclasses.asdict(job.limits),
            "bwrap": self._isolation(job),
            "cgroups": self._cgroups,
            "hide": [str(path) for path in self._hide],
        }

    def _isolation(self, job: ports.Job) -> str | None:
        """The bwrap to run the job with, or None to run it without. Raises errors.Fatal when neither may be."""
        found = self.problems()
        if not found:
            return str(self._bwrap)
        if not self._unsandboxed:
            raise errors.Fatal(" ".join(f"{problem.what} {problem.fix}" for problem in found))
        if job.network != "host" or len(job.hosts) > 1:
            raise errors.Fatal(
                "Without a sandbox a job can have neither network isolation nor more than one host. "
                + " ".join(problem.what for problem in found)
            )
        return None


def _check(job: ports.Job) -> None:
    names = [host.name for host in job.hosts]
    if not names or len(set(names)) != len(names):
        raise errors.Fatal(f"Job {job.id} needs hosts with different names, and has {names}.")
    for host in job.hosts:
        texts = [*host.argv, *host.env, *host.env.values(), host.workdir, host.name]
        if not host.argv or any("\0" in text for text in texts) or any("=" in name for name in host.env):
            raise errors.Fatal(
                f"Host {host.name} has a command or an environment that no program can be given."
            )


def _host(host: ports.Host) -> dict[str, Any]:
    return {
        "name": host.name,
        "argv": list(host.argv),
        "env": dict(host.env),
        "mounts": [
            {"source": str(mount.source.absolute()), "target": mount.target, "writable": mount.writable}
            for mount in host.mounts
        ],
        "log": str(host.log.absolute()),
        "workdir": host.workdir,
    }


def _state(run_dir: Path) -> ports.Running | ports.Exited | None:
    started = records.read(str(run_dir), records.STARTED)
    keeper = records.holder(str(run_dir))
    ended = records.read(
        str(run_dir), records.EXIT
    )  # read last: a keeper that is gone by now wrote it before
    if ended is not None:
        return ports.Exited(**ended)
    if keeper is None:
        return None
    if started is None:  # it has taken the run and not yet said so
        return ports.Running(started_at=(run_dir / records.LOCK).stat().st_mtime)
    return ports.Running(started_at=started["started_at"])


def _end_orphans(run_dir: Path) -> None:
    """Sees to it that nothing of a lost run is alive, so that another attempt may start."""
    spec, started = (records.read(str(run_dir), name) for name in (records.SPEC, records.STARTED))
    dead = started is None or orphans.await_end(started["pid"], started["born"])
    if not dead or (spec is not None and not orphans.end(spec["mark"])):
        raise errors.Retry("Processes of a job that was lost cannot be ended.", after_s=5)


def _start_keeper(run_dir: Path, mark: str) -> None:
    with (run_dir / _KEEPER_LOG).open("ab") as complaints:
        starter = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_KEEPER), str(run_dir)],
            env={**_KEEPER_ENV, orphans.VARIABLE: mark},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=complaints,
            start_new_session=True,
        )
    if not _ends_within(starter, _START_TIMEOUT_S):
        starter.kill()
    if starter.wait() != 0:
        reason = (run_dir / _KEEPER_LOG).read_text(errors="replace").strip().rpartition("\n")[2]
        raise errors.Retry(f"The keeper of the job did not come up: {reason or 'it said nothing'}", after_s=5)


def _ends_within(process: subprocess.Popen[bytes], timeout_s: float) -> bool:
    """Whether the process ends in time. Popen.wait(timeout) looks only every 50 ms, which jobs would wait for."""
    pidfd = os.pidfd_open(process.pid)
    try:
        waiting = select.poll()
        waiting.register(pidfd, select.POLLIN)
        return bool(waiting.poll(timeout_s * 1000))
    finally:
        os.close(pidfd)


@contextlib.contextmanager
def _one_submitter(run_dir: Path) -> Iterator[None]:
    """Holds the run directory against other threads and processes that would submit the same run."""
    with (run_dir / records.SUBMIT).open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
