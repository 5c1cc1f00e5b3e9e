"""The keeper of one job: a detached process that starts the job's hosts, watches them and records their end.

It needs nothing of the server that started it, and everything that matters is in the run directory.
When it is killed, the kernel kills its sandboxes.
"""

# pathlib would cost every job's start 5 ms
# ruff: noqa: PTH110

from __future__ import annotations

import os
import select
import time

from glasshouse.engines.execute import hosts, launching, limits, orphans, records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_WATCH_S = 0.25
_DRAIN_S = 5.0
_TURN_S = 0.002
_HOME_S = 3.0
"""How often to see whether the run directory is still there: nobody could learn of the job's end without it."""
_NEVER = float("inf")


def detach(run_dir: str, *, now: Callable[[], float]) -> int:
    """Leaves a keeper behind and returns 0, or 1 when it did not come so far as to own the run."""
    ours, theirs = os.pipe()
    if os.fork() > 0:
        os.close(theirs)
        return 0 if os.read(ours, 1) else 1
    os.close(ours)
    os.umask(0o077)
    status = 1
    try:
        if not _take(run_dir):
            os.write(theirs, b"!")
            return 0
        started_at = now()
        if not os.path.exists(f"{run_dir}/{records.CONTROL}"):
            os.mkfifo(f"{run_dir}/{records.CONTROL}", 0o600)
        records.write(
            run_dir,
            records.STARTED,
            {"pid": os.getpid(), "born": orphans.born(os.getpid()), "started_at": started_at},
        )
        os.write(theirs, b"!")
        os.close(theirs)
        ended = Keeper(run_dir, now=now).run()
        records.write(run_dir, records.EXIT, {**ended, "started_at": started_at, "ended_at": now()})
        status = 0
    finally:
        os._exit(status)


def _take(run_dir: str) -> bool:
    """Whether this keeper owns the run now; False once another has recorded that it does or did."""
    while True:
        lock = records.take(run_dir)
        if records.read(run_dir, records.STARTED) is not None:
            return False
        if lock is not None:
            return True
        time.sleep(_TURN_S)


class Keeper:
    """Watches the hosts of one run until all are gone."""

    def __init__(self, run_dir: str, *, now: Callable[[], float]) -> None:
        self._run_dir = run_dir
        self._now = now
        self._spec: dict[str, Any] = records.read(run_dir, records.SPEC) or {}
        self._limits: dict[str, Any] = self._spec["limits"]
        self._control = os.open(f"{run_dir}/{records.CONTROL}", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll = select.poll()
        self._hosts: list[hosts.Host] = []
        self._reason = ""
        self._kill_at: float | None = None
        self._failed: hosts.Host | None = None
        self._over_memory: hosts.Host | None = None
        self._draining_since: dict[int, float] = {}
        self._home_at = time.monotonic() + _HOME_S

    def run(self) -> dict[str, Any]:
        """Runs the job to its end and returns the exit record."""
        if records.read(self._run_dir, records.STOP) is not None:
            return {"code": 0, "reason": "stopped", "host": "", "detail": "stopped before it was started"}
        try:
            self._hosts = launching.start(self._spec, self._run_dir, now=self._now)
        except OSError as error:
            return {"code": hosts.NOT_FOUND, "reason": "not_started", "host": "", "detail": str(error)}
        self._watch_until_gone()
        ended = self._ended()
        if self._spec["bwrap"] is None:
            orphans.end(self._spec["mark"])
        for host in self._hosts:
            host.close()
        return ended

    def _watch_until_gone(self) -> None:
        start = time.monotonic()
        limit = self._limits["time_s"]
        deadline = None if limit is None else start + limit
        self._poll.register(self._control, select.POLLIN)
        for host in self._hosts:
            for fd in (host.log_fd, host.status_fd, host.pidfd):
                self._poll.register(fd, select.POLLIN)
        open_logs = {host.log_fd for host in self._hosts}
        while open_logs or not all(host.gone() for host in self._hosts):
            self._serve(self._poll.poll(self._pause_ms(deadline)), open_logs)
            self._check_memory()
            self._check_home()
            if deadline is not None and time.monotonic() >= deadline and self._kill_at is None:
                self._end("timed_out", self._limits["grace_s"])
            if self._kill_at is not None and time.monotonic() >= self._kill_at:
                self._kill_all()
            self._give_up_draining(open_logs)

    def _serve(self, ready: list[tuple[int, int]], open_logs: set[int]) -> None:
        fds = {fd for fd, _ in ready}
        if self._control in fds:
            self._read_wish()
        for host in self._hosts:
            if host.status_fd in fds and not host.read_status():
                self._poll.unregister(host.status_fd)
            if host.log_fd in fds and not host.read_log():
                open_logs.discard(host.log_fd)
                self._poll.unregister(host.log_fd)
            if host.pidfd in fds:
                self._poll.unregister(host.pidfd)
                host.reap()
                self._note_end(host)

    def _read_wish(self) -> None:
        os.read(self._control, 4096)
        wish = records.read(self._run_dir, records.STOP)
        if wish is not None:
            self._end("stopped" if self._failed is None else "", wish["grace_s"])

    def _note_end(self, host: hosts.Host) -> None:
        """The first host that fails ends the others."""
        self._draining_since[host.log_fd] = time.monotonic()
        if host.code and self._failed is None:
            self._failed = host
            if self._kill_at is None:
                self._end("", self._limits["grace_s"])

    def _end(self, reason: str, grace_s: float) -> None:
        """SIGTERM to all now, and SIGKILL after the grace; a second wish may only shorten it."""
        self._reason = self._reason or reason
        at = time.monotonic() + max(0.0, grace_s)
        if self._kill_at is None or at < self._kill_at:
            self._kill_at = at
        for host in self._hosts:
            host.terminate()

    def _kill_all(self) -> None:
        for host in self._hosts:
            if not host.gone():
                host.kill()
        self._kill_at = _NEVER

    def _pause_ms(self, deadline: float | None) -> float:
        """How long to sleep at most."""
        next_move = self._kill_at if self._kill_at is not None else deadline
        moments = [self._home_at] if next_move is None else [self._home_at, next_move]
        if self._draining_since or self._watches_memory():
            moments.append(time.monotonic() + _WATCH_S)
        return max(0.0, min(moments) - time.monotonic()) * 1000 + 1

    def _check_home(self) -> None:
        """A data folder that is removed takes its jobs along."""
        if time.monotonic() >= self._home_at:
            self._home_at = time.monotonic() + _HOME_S
            if not os.path.exists(f"{self._run_dir}/{records.SPEC}"):
                self._end("stopped", 0.0)

    def _watches_memory(self) -> bool:
        limit = self._limits["memory_bytes"]
        return limit is not None and any("memory" not in host.groups.enforced for host in self._hosts)

    def _check_memory(self) -> None:
        if not self._watches_memory():
            return
        limit = self._limits["memory_bytes"]
        for host in self._hosts:
            pid = host.init_pid or host.pid
            if host.code is not None or limits.memory_used(pid) <= limit:
                continue
            if limits.memory_used_exactly(pid) > limit:
                self._over_memory = host
                host.kill()

    def _give_up_draining(self, open_logs: set[int]) -> None:
        """Without a sandbox a program's descendants may keep its output open for ever."""
        for fd, since in self._draining_since.items():
            if fd in open_logs and time.monotonic() - since > _DRAIN_S:
                open_logs.discard(fd)
                self._poll.unregister(fd)

    def _ended(self) -> dict[str, Any]:
        """What to record. A wish to stop outranks how the program took it; want of memory outranks both."""
        host = self._failed
        starved = self._over_memory or next(
            (one for one in self._hosts if one.code and one.groups.n_killed()), None
        )
        if starved is not None:
            detail = f"killed at its memory limit of {self._limits['memory_bytes']} bytes"
            return {"code": starved.code, "reason": "out_of_memory", "host": starved.name, "detail": detail}
        code, name = (0, "") if host is None else (host.code or 0, host.name)
        if self._reason:
            detail = f"ran longer than {self._limits['time_s']} s" if self._reason == "timed_out" else ""
            return {"code": code, "reason": self._reason, "host": name, "detail": detail}
        if host is not None and not host.began:
            return {"code": code, "reason": "not_started", "host": name, "detail": host.last_line}
        return {"code": code, "reason": "exited", "host": name, "detail": ""}
