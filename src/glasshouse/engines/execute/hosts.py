"""One host of a running job, as its keeper sees it: processes, output, and how it ended."""

# pathlib would cost every job's start 5 ms
# ruff: noqa: PTH103, PTH120, PTH123

from __future__ import annotations

import ctypes
import json
import os
import select
import signal

from glasshouse.engines.execute import lines, orphans

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from glasshouse.engines.execute import limits

_PR_SET_PDEATHSIG = 1
_CHUNK = 64 * 1024
_DEATH_MS = 2000
"""How long to wait for a killed process that is stuck in the kernel before looking elsewhere."""
NOT_FOUND = 127


class Host:
    """A host and its processes. The keeper polls `log_fd`, `status_fd` and `pidfd`, and calls back in here."""

    def __init__(
        self, spec: Mapping[str, Any], groups: limits.Groups, *, sandboxed: bool, now: Callable[[], float]
    ) -> None:
        self.name: str = spec["name"]
        self._sandboxed = sandboxed
        self.groups = groups
        self.code: int | None = None
        self.pid = 0
        self.pidfd = -1
        self._now = now
        self._init_fd = -1
        self.init_pid = 0
        self._status = b""
        self._announced: int | None = None
        self._failed = False
        self._written = b""
        self._lines = lines.Lines(self._ms())
        self._log = _open_log(spec["log"])
        self.log_fd, self._log_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self.status_fd, self._status_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def start(self, prepare: Callable[[], None], launch: Callable[[int], None]) -> None:
        """Starts the host in a new process, which runs `prepare` and then `launch`; that one must exec.

        launch is given the descriptor on which bwrap is to report; it stays open over an exec.
        """
        keeper = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                prepare()
                _tie_to(keeper)
                os.dup2(self._log_end, 1)
                os.dup2(self._log_end, 2)
                os.set_blocking(1, True)
                _restore_signals()
                launch(self._status_end)
            except OSError as error:
                os.write(2, f"{error}\n".encode())
                os.write(self._status_end, b'{"failed": true}\n')
            finally:
                os._exit(NOT_FOUND)
        os.close(self._log_end)
        os.close(self._status_end)
        self.pidfd = os.pidfd_open(self.pid)

    def read_log(self) -> bool:
        """Copies what there is into the log; False once all writers are gone."""
        try:
            chunk = os.read(self.log_fd, _CHUNK)
        except BlockingIOError:
            return True
        self._append(self._lines.feed(chunk, self._ms()))
        return bool(chunk)

    def read_status(self) -> bool:
        """Takes note of what bwrap says of the sandbox; False once there is no more to read."""
        try:
            chunk = os.read(self.status_fd, _CHUNK)
        except BlockingIOError:
            return False
        *whole, self._status = (self._status + chunk).split(b"\n")
        for line in whole:
            said = json.loads(line)
            self._announced = said.get("exit-code", self._announced)
            self._failed = self._failed or "failed" in said
            if "child-pid" in said:
                self._found_init(said["child-pid"])
        return bool(chunk)

    def _found_init(self, pid: int) -> None:
        try:
            self._init_fd = os.pidfd_open(pid)
            self.init_pid = pid
        except OSError:
            return  # it has ended already

    def reap(self) -> None:
        """Takes note of the end of the process the keeper started, and ends what is left of the host."""
        _, status = os.waitpid(self.pid, 0)
        while self.read_status():
            pass
        own = os.waitstatus_to_exitcode(status)
        self.code = self._announced if self._announced is not None else (own if own >= 0 else 128 - own)
        self.kill()
        if self._init_fd >= 0:
            _ended(self._init_fd, _DEATH_MS)

    @property
    def began(self) -> bool:
        """Whether the program itself ever ran. bwrap announces an exit code only then, or is killed."""
        if self._failed:
            return False
        return not self._sandboxed or self._announced is not None or (self.code or 0) > 128

    @property
    def last_line(self) -> str:
        """The last thing the host wrote."""
        line = self._written[:-1].rpartition(b"\n")[2]
        return str(json.loads(line)["m"]) if line else ""

    def gone(self) -> bool:
        """Whether no process of the host can be alive."""
        return self.code is not None and (self._init_fd < 0 or _ended(self._init_fd))

    def terminate(self) -> None:
        """SIGTERM to the program; a sandbox that has not yet come so far is killed."""
        if self.code is not None:
            return
        if not self._sandboxed:
            signal.pidfd_send_signal(self.pidfd, signal.SIGTERM)
        elif not self.init_pid or not _signal_program(self.init_pid):
            self.kill()

    def kill(self) -> None:
        """SIGKILL to all of the host: the kernel ends a process namespace with its first process."""
        try:
            if self._init_fd >= 0:
                signal.pidfd_send_signal(self._init_fd, signal.SIGKILL)
            elif not self._sandboxed:
                os.killpg(self.pid, signal.SIGKILL)
            elif self.code is None:
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
        except ProcessLookupError:
            return  # it has ended already

    def close(self) -> None:
        """Makes the log durable and lets go of everything."""
        self._append(self._lines.close(self._ms()))
        os.fsync(self._log)
        for fd in (self._log, self.log_fd, self.status_fd, self.pidfd, self._init_fd):
            if fd >= 0:
                os.close(fd)
        self.groups.remove()

    def _ms(self) -> int:
        return int(self._now() * 1000)

    def _append(self, out: bytes) -> None:
        if not out:
            return
        self._written = out
        try:
            while out:
                out = out[os.write(self._log, out) :]
        except OSError:
            return  # a full disk must not stop the job, which would block on its output


def exec_bwrap(
    bwrap: str, options: Sequence[str], argv: Sequence[str], *, seccomp: bytes, status_fd: int, mark: str
) -> None:
    """Becomes bwrap. Its options go through memory, since every user can read another's arguments.

    bwrap's own environment is only the run's mark: it becomes the sandbox's process 1, whose
    /proc/1/environ a job reads, and a job's LD_PRELOAD must not be obeyed out here.
    """
    words = [*options, "--json-status-fd", str(status_fd), "--seccomp", str(in_memory("filter", seccomp))]
    packed = b"".join(word.encode("utf-8", "surrogateescape") + b"\0" for word in words)
    os.set_inheritable(status_fd, True)
    own = {orphans.VARIABLE: mark}
    os.execve(bwrap, ["bwrap", "--args", str(in_memory("options", packed)), "--", *argv], own)  # noqa: S606 - a program and its arguments, no shell


def exec_plain(argv: Sequence[str], *, env: Mapping[str, str], workdir: str) -> None:
    """Becomes the program, with no sandbox around it."""
    os.setsid()
    os.chdir(workdir)
    os.execvpe(argv[0], list(argv), dict(env))  # noqa: S606 - what the user asked for


def in_memory(name: str, data: bytes) -> int:
    """A descriptor of a file in memory, to be read by the program this process becomes."""
    fd = os.memfd_create(name, 0)
    while data:
        data = data[os.write(fd, data) :]
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _open_log(path: str) -> int:
    """The log to append to. A line that a crash cut short is ended, so that it spoils no other."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    size = os.fstat(fd).st_size
    if size and os.pread(fd, 1, size - 1) != b"\n":
        os.write(fd, b"\n")
    return fd


def _restore_signals() -> None:
    """Undoes what Python or whoever started the server ignores, and what a thread may have blocked.

    An exec would pass all of it on; a shell gives SIGINT and SIGQUIT ignored to what it starts in the background.
    """
    for number in signal.valid_signals():
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _tie_to(keeper: int) -> None:
    """Has the kernel kill this process, and what it becomes, when the keeper dies."""
    if ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0 or os.getppid() != keeper:
        os._exit(NOT_FOUND)


def _ended(pidfd: int, timeout_ms: int = 0) -> bool:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(timeout_ms))


def _signal_program(init: int) -> bool:
    """SIGTERM to the first child of a sandbox's process 1; False when there is none."""
    try:
        with open(f"/proc/{init}/task/{init}/children", encoding="ascii") as file:
            children = file.read().split()
        os.kill(int(children[0]), signal.SIGTERM)
    except (OSError, IndexError):
        return False
    return True
