"""Memory, processor and process limits of one host: by cgroup where the machine lets us, else by the next best.

With a writable cgroup (version 2, or version 1) the kernel enforces memory, processes and processor
time. Without one:
- memory: the keeper sums up the host's own memory four times a second and kills it above the limit;
  RLIMIT_DATA at twice the limit plus 1 GiB stops a single process that outruns it. RLIMIT_AS would
  refuse programs that reserve much more address space than they ever use (torch, Java, Arrow).
- processes: RLIMIT_NPROC, which counts all of the user's, so what runs already is added. Root has no
  such limit.
- processor time: affinity to whole processors only. Affinity is set with a cgroup too, since
  libraries size their thread pools by it.
"""

# pathlib would cost every job's start 5 ms
# ruff: noqa: PTH103, PTH106, PTH110, PTH123, PTH208

from __future__ import annotations

import os
import resource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

PREFIX = "glasshouse-"
_PERIOD_US = 100_000
_OOM_SCORE = 500
_FILES: dict[int, dict[str, tuple[str, ...]]] = {
    # what each controller's limit is called; for memory also the file that stops it from going to swap
    1: {
        "memory": ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes"),
        "pids": ("pids.max",),
        "cpu": ("cpu.cfs_period_us", "cpu.cfs_quota_us"),
    },
    2: {"memory": ("memory.max", "memory.swap.max"), "pids": ("pids.max",), "cpu": ("cpu.max",)},
}


class Groups:
    """The cgroups of one host: one directory in version 2, one for each controller in version 1."""

    def __init__(self, name: str, directories: Mapping[str, tuple[int, str]]) -> None:
        """directories: controller -> (cgroup version, parent directory)."""
        self._homes = {
            controller: (version, f"{parent}/{PREFIX}{name}")
            for controller, (version, parent) in directories.items()
        }
        self.enforced: set[str] = set()

    def create(self, limits: Mapping[str, Any]) -> None:
        """Makes the directories and writes the limits; `enforced` names the controllers that took them."""
        for controller, (version, home) in list(self._homes.items()):
            values = _values(controller, version, limits)
            try:
                if values:
                    os.makedirs(home, exist_ok=True)
                    _set(home, _FILES[version][controller], values)
                    self.enforced.add(controller)
            except OSError:
                _remove(home)
            if controller not in self.enforced:
                del self._homes[controller]

    def enter(self) -> None:
        """Moves the calling process in; what it starts stays in."""
        for home in self._directories():
            _write(f"{home}/cgroup.procs", "0")

    def n_killed(self) -> int:
        """How many processes the kernel has killed here for want of memory."""
        if "memory" not in self.enforced:
            return 0
        version, home = self._homes["memory"]
        name = "memory.events" if version == 2 else "memory.oom_control"
        return int(_fields(f"{home}/{name}").get("oom_kill", "0"))

    def remove(self) -> None:
        """Removes the directories, which must be empty of processes by now."""
        for home in self._directories():
            _remove(home)

    def _directories(self) -> set[str]:
        return {home for _, home in self._homes.values()}


def parents(
    mounts: str = "/proc/self/mountinfo", own: str = "/proc/self/cgroup"
) -> dict[str, tuple[int, str]]:
    """controller -> (cgroup version, a directory in which this process may make groups)."""
    paths = _own_paths(own)
    found: dict[str, tuple[int, str]] = {}
    for version, point, root, controllers in _hierarchies(mounts):
        for controller in controllers & set(_FILES[1]) if version == 1 else {""}:
            if controller not in paths:
                continue
            inner = paths[controller]
            under = inner[len(root.rstrip("/")) :] if inner.startswith(root) else "/"
            directory = (point + under).rstrip("/")
            if version == 1 and os.access(directory, os.W_OK):
                found[controller] = (1, directory)
            elif version == 2:
                found.update({name: (2, place) for name, place in _delegated(directory, point).items()})
    return found


def sweep(directories: Iterable[tuple[int, str]]) -> None:
    """Removes what keepers that were killed left behind."""
    for _, parent in set(directories):
        for name in os.listdir(parent):
            keeper = name.removeprefix(PREFIX).partition("-")[0]
            if name.startswith(PREFIX) and keeper.isdigit() and not os.path.exists(f"/proc/{keeper}"):
                _remove(f"{parent}/{name}")


def restrict(limits: Mapping[str, Any], enforced: set[str]) -> None:
    """Limits the calling process, and what it starts, by what needs no cgroup.

    A machine that runs out of memory is to end a job, not the server.
    """
    _write("/proc/self/oom_score_adj", str(_OOM_SCORE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if limits["cpus"] is not None:
        available = sorted(os.sched_getaffinity(0))
        wanted = max(1, -int(-limits["cpus"] // 1))
        if wanted < len(available):
            first = int.from_bytes(os.urandom(4), "big") % len(available)
            os.sched_setaffinity(0, (available * 2)[first : first + wanted])
    if limits["memory_bytes"] is not None and "memory" not in enforced:
        _lower(resource.RLIMIT_DATA, 2 * limits["memory_bytes"] + (1 << 30))
    if limits["n_processes"] is not None and "pids" not in enforced and os.geteuid() != 0:
        _lower(resource.RLIMIT_NPROC, limits["n_processes"] + _n_tasks(os.geteuid()))


def memory_used(pid: int) -> int:
    """Bytes of memory of a process and all its descendants: anonymous and shared, without mapped files.

    The kernel's cheap counters count what forked processes share once for each; they only decide
    whether the exact, dearer ones are asked.
    """
    family = _descendants(pid)
    return sum(_kilobytes(member, "status", ("RssAnon", "RssShmem")) for member in family) * 1024


def memory_used_exactly(pid: int) -> int:
    """As memory_used, with what processes share divided among them."""
    family = _descendants(pid)
    return sum(_kilobytes(member, "smaps_rollup", ("Pss_Anon", "Pss_Shmem")) for member in family) * 1024


def _values(controller: str, version: int, limits: Mapping[str, Any]) -> tuple[str, ...]:
    if controller == "memory" and limits["memory_bytes"] is not None:
        size = str(int(limits["memory_bytes"]))
        return (size, size if version == 1 else "0")
    if controller == "pids" and limits["n_processes"] is not None:
        return (str(limits["n_processes"]),)
    if controller == "cpu" and limits["cpus"] is not None:
        quota = str(max(1000, int(limits["cpus"] * _PERIOD_US)))
        return (str(_PERIOD_US), quota) if version == 1 else (f"{quota} {_PERIOD_US}",)
    return ()


def _set(home: str, names: tuple[str, ...], values: tuple[str, ...]) -> None:
    for name, value in zip(names, values, strict=True):
        if "sw" in name and not os.path.exists(f"{home}/{name}"):
            continue  # the kernel counts no swap
        _write(f"{home}/{name}", value)


def _own_paths(own: str) -> dict[str, str]:
    """controller -> this process's path in its hierarchy; "" stands for version 2."""
    paths = {}
    with open(own, encoding="utf-8") as file:
        for line in file:
            _, controllers, path = line.rstrip("\n").split(":", 2)
            paths.update(dict.fromkeys(controllers.split(","), path))
    return paths


def _hierarchies(mounts: str) -> list[tuple[int, str, str, set[str]]]:
    """(version, mount point, root, controllers) of each mounted cgroup hierarchy."""
    found = []
    with open(mounts, encoding="utf-8") as file:
        for line in file:
            before, _, after = line.rstrip("\n").partition(" - ")
            kind, _, options = after.split(" ", 2)
            root, point = before.split(" ")[3:5]
            if kind == "cgroup":
                found.append((1, point, root, set(options.split(","))))
            elif kind == "cgroup2":
                found.append((2, point, root, set[str]()))
    return found


def _delegated(directory: str, top: str) -> dict[str, str]:
    """Version 2: controller -> the nearest group upwards that may have children with it.

    A group that has processes can hand no controller on, so that a service's own group seldom does;
    its parent does when the service manager delegated it (systemd: Delegate=yes, and every user's own).
    """
    found: dict[str, str] = {}
    while directory.startswith(top):
        if os.access(f"{directory}/cgroup.procs", os.W_OK) and os.access(directory, os.W_OK):
            for controller in set(_words(f"{directory}/cgroup.controllers")) & set(_FILES[2]) - set(found):
                try:
                    _write(f"{directory}/cgroup.subtree_control", f"+{controller}")
                except OSError:
                    continue
                found[controller] = directory
        directory = directory.rpartition("/")[0]
    return found


def _words(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().split()
    except OSError:
        return []


def _fields(path: str) -> dict[str, str]:
    words = _words(path)
    return dict(zip(words[::2], words[1::2], strict=False))


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


def _remove(home: str) -> None:
    try:
        os.rmdir(home)
    except OSError:
        return  # not there, or a process still in it: the next keeper sweeps


def _lower(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (bound, bound))


def _n_tasks(uid: int) -> int:
    count = 0
    for entry in os.scandir("/proc"):
        try:
            if entry.name.isdigit() and entry.stat().st_uid == uid:
                count += len(os.listdir(f"/proc/{entry.name}/task"))
        except OSError:
            continue  # gone meanwhile
    return count


def _descendants(pid: int) -> list[int]:
    family = [pid]
    for member in family:
        try:
            for task in os.listdir(f"/proc/{member}/task"):
                family += [int(word) for word in _words(f"/proc/{member}/task/{task}/children")]
        except OSError:
            continue  # gone meanwhile
    return family


def _kilobytes(pid: int, name: str, keys: tuple[str, ...]) -> int:
    try:
        with open(f"/proc/{pid}/{name}", encoding="utf-8") as file:
            return sum(int(line.split()[1]) for line in file if line.partition(":")[0] in keys)
    except OSError:
        return 0  # gone meanwhile
