"""The seams: what the kernel asks of the engines. Every engine of a port passes that port's one conformance suite."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NewType, Protocol

Handle = NewType("Handle", dict[str, Any])
"""What an engine needs to find its work again: a JSON value, stored in the resource's row."""

# --- Files: content-addressed blobs -------------------------------------------------------------


PLAIN = "plain"
"""The domain of blobs that no key encrypts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """Bytes that are durable. `digest` is the SHA-256 of the content, in hexadecimal, unique in its key's domain."""

    digest: str
    size_bytes: int
    domain: str = PLAIN


class BlobWriter(Protocol):
    """One blob being written; nothing is visible before `commit` returns."""

    def send(self, chunk: bytes) -> None: ...
    def commit(self) -> Blob:
        """Makes the blob durable (content and directory entry synced) and returns its address."""

    def abort(self) -> None: ...


class Files(Protocol):
    """Content-addressed storage. Each stored blob has an envelope header naming its key's domain."""

    def writer(self) -> BlobWriter: ...
    def read(self, digest: str, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The bytes in [start, stop). Raises KeyError for an unknown digest."""

    def exists(self, digest: str) -> bool: ...
    def written_at(self, digest: str) -> float:
        """When the content was last committed, in seconds since the epoch. Raises KeyError."""

    def remove(self, digest: str) -> None:
        """Nothing happens when there is no such blob."""

    def digests(self) -> Iterator[str]:
        """All stored digests, in no order."""

    def remove_unfinished(self, before: float) -> int:
        """Removes what writers that never came to an end left before that time, and says how many."""


# --- Executor: jobs ------------------------------------------------------------------------------

Network = Literal["host", "none", "job"]
"""host: the machine's network. none: no network at all. job: the job's hosts reach only each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """`source` on the machine seen as `target` inside."""

    source: Path
    target: str
    writable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """None means unlimited. `grace_s` lies between SIGTERM and SIGKILL at the time limit, or when a peer failed."""

    cpus: float | None = None
    memory_bytes: int | None = None
    time_s: float | None = None
    n_processes: int | None = 4096
    grace_s: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One process tree with a file system of its own. `log` gets a JSON line {"t": ms, "m": text} per line."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    mounts: tuple[Mount, ...]
    log: Path
    workdir: str = "/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Hosts that start together, see each other by name, and end together.

    The job has exited when all hosts have; the first host that fails ends the others.
    `run_dir` is the executor's own: it keeps there what must outlive the server.
    """

    id: str
    hosts: tuple[Host, ...]
    run_dir: Path
    network: Network = "host"
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    started_at: float


ExitReason = Literal["exited", "out_of_memory", "timed_out", "stopped", "not_started"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exited:
    """`code` is the exit status of the first host that failed (128 + signal when killed), or 0."""

    code: int
    reason: ExitReason
    host: str = ""
    detail: str = ""
    started_at: float = 0.0
    ended_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Lost:
    """The machine knows nothing of the job any more (a reboot, a killed keeper)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something missing on this machine, and the sentence that mends it."""

    what: str
    fix: str


class Executor(Protocol):
    """Runs jobs. Keeps no state in the object, so a restarted server re-attaches by handle."""

    def problems(self) -> tuple[Problem, ...]:
        """Why jobs cannot run isolated here; empty when they can. Cheap after the first call."""

    def submit(self, job: Job) -> Handle:
        """Starts the job, detached from this process. Raises errors.Fatal when isolation is not to be had.

        Submitting an id twice with the same run_dir starts nothing and returns the first handle.
        """

    def look(self, handle: Handle) -> Running | Exited | Lost: ...
    def stop(self, handle: Handle, *, grace_s: float) -> None:
        """SIGTERM now, SIGKILL after grace_s; returns at once. Exited.reason becomes "stopped"."""


# --- Server: model servers -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Replica:
    """One model server wanted: a job with one host that listens on `socket` (inside, a Unix socket)."""

    job: Job
    socket: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaState:
    """`ready` once /ping answered 200. `exited` once the process ended."""

    ready: bool
    exited: Exited | Lost | None = None


class Server(Protocol):
    """Runs model servers. Same shape as Executor, plus an address."""

    def start(self, replica: Replica) -> Handle: ...
    def look(self, handle: Handle) -> ReplicaState: ...
    def address(self, handle: Handle) -> str:
        """The path of the Unix socket (unix:/...) or the URL the replica answers HTTP on."""

    def stop(self, handle: Handle, *, grace_s: float) -> None: ...


# --- Images: runtimes ----------------------------------------------------------------------------

Purpose = Literal["training", "inference", "processing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """What an image URI stands for. `command[purpose]` is the argv that a container's ENTRYPOINT would be."""

    name: str
    tag: str
    purposes: frozenset[Purpose]
    environment: str
    command: Mapping[Purpose, tuple[str, ...]]
    env: Mapping[str, str]
    metrics: Mapping[str, str] = field(default_factory=dict)
    """Metric names and regular expressions that a built-in algorithm's log is read with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A built, locked Python environment. `digest` covers the lock and our own code inside it.

    `mounts` make it visible inside a sandbox; `path` goes in front of PATH there.
    """

    digest: str
    mounts: tuple[Mount, ...]
    path: str


class Images(Protocol):
    """Matches image URIs by repository and tag (never by account or region)."""

    def resolve(self, uri: str) -> Runtime:
        """Raises errors.Validation listing the known images."""

    def known(self) -> tuple[str, ...]: ...
    def environment(self, runtime: Runtime) -> Environment:
        """The runtime's environment, built first if it is not there. Raises errors.Fatal when the build fails."""

    def recorded(self, digest: str) -> Environment | None:
        """An environment that was built before, if it is still there."""
