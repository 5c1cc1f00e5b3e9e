"""Model servers as jobs of an executor, each listening on a Unix socket bound into its sandbox.

A Unix socket crosses the sandbox's wall without a network, so that a model server can be isolated
totally. The directory that the server writes into is its own to fill, with a symbolic link to another
socket of this machine if it likes. So the socket itself is what gets linked to a place out of its
reach, and that place is the address.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
import socket
import stat
import threading
import time
from pathlib import Path

from glasshouse.engines.serve import places
from glasshouse.kernel import errors, ports

_PING = b"GET /ping HTTP/1.1\r\nHost: localhost\r\nUser-Agent: glasshouse\r\nConnection: close\r\n\r\n"
_PING_TIMEOUT_S = 2.0
_LONGEST_STATUS_LINE = 1024
_INSIDE = "inside"


class ProcessServer:
    """Runs each replica as a job of `executor`. sockets: a directory of this object's own, made if missing."""

    def __init__(self, executor: ports.Executor, *, sockets: Path) -> None:
        self._executor = executor
        self._sockets = sockets.absolute()

    def start(self, replica: ports.Replica) -> ports.Handle:
        """Starts the replica unless its job's run_dir has been started before.

        The directory of replica.socket is mounted writable; the program is to be told the path by whoever
        makes the job.
        """
        job, inside = replica.job, replica.socket
        if len(job.hosts) != 1 or not inside.is_absolute():
            raise errors.Fatal(f"Replica {job.id} needs one host and an absolute path for its socket.")
        key = hashlib.sha256(str(job.run_dir.absolute()).encode()).hexdigest()[:16]
        home = places.short_enough(self._sockets, f"{key}/{inside.name}") / key
        (home / _INSIDE).mkdir(mode=0o700, parents=True, exist_ok=True)
        mount = ports.Mount(source=home / _INSIDE, target=str(inside.parent), writable=True)
        host = dataclasses.replace(job.hosts[0], mounts=(*job.hosts[0].mounts, mount))
        handle = self._executor.submit(dataclasses.replace(job, hosts=(host,)))
        return ports.Handle({"engine": "process", "job": dict(handle), "socket": str(home / inside.name)})

    def look(self, handle: ports.Handle) -> ports.ReplicaState:
        """Whether /ping answers 200 now. What an ended replica leaves behind is removed."""
        path = Path(handle["socket"])
        state = self._executor.look(ports.Handle(handle["job"]))
        if not isinstance(state, ports.Running):
            shutil.rmtree(path.parent, ignore_errors=True)
            return ports.ReplicaState(ready=False, exited=state)
        return ports.ReplicaState(ready=_publish(path) and _answers(path))

    def address(self, handle: ports.Handle) -> str:
        """unix:PATH. There is nothing at the path before `look` saw the replica listen."""
        return f"unix:{handle['socket']}"

    def stop(self, handle: ports.Handle, *, grace_s: float) -> None:
        """SIGTERM now, SIGKILL after grace_s; returns at once."""
        self._executor.stop(ports.Handle(handle["job"]), grace_s=grace_s)


def _publish(path: Path) -> bool:
    """Links the socket the replica listens on to `path`; False while there is none.

    What is linked is looked at only then, when the replica can no longer exchange it.
    """
    draft = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}")
    draft.unlink(missing_ok=True)
    try:
        os.link(path.parent / _INSIDE / path.name, draft, follow_symlinks=False)
    except FileNotFoundError:
        return False
    if stat.S_ISSOCK(draft.lstat().st_mode):
        draft.replace(path)
    draft.unlink(missing_ok=True)  # rename does nothing when both names are of one socket already
    return path.is_socket()


def _answers(path: Path) -> bool:
    """Whether GET /ping is answered with status 200, all within the timeout."""
    deadline = time.monotonic() + _PING_TIMEOUT_S
    line = b""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
        try:
            channel.settimeout(_PING_TIMEOUT_S)
            channel.connect(str(path))
            channel.sendall(_PING)
            while b"\n" not in line and len(line) < _LONGEST_STATUS_LINE:
                channel.settimeout(max(0.001, deadline - time.monotonic()))
                chunk = channel.recv(_LONGEST_STATUS_LINE)
                if not chunk:
                    break
                line += chunk
        except OSError:
            return False
    words = line.split(None, 2)
    return len(words) > 1 and words[0].startswith(b"HTTP/1.") and words[1] == b"200"
