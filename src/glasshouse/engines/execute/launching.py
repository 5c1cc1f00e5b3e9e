"""From a job's specification to started hosts: networks, cgroups, files of /etc, system-call filter."""

from __future__ import annotations

import os

from glasshouse.engines.execute import bubblewrap, hosts, limits, plain, seccomp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from glasshouse.engines.execute import switch


def start(spec: Mapping[str, Any], run_dir: str, *, now: Callable[[], float]) -> list[hosts.Host]:
    """Starts all hosts of a job, or none. Raises OSError when one cannot be prepared."""
    networks = _networks(spec)
    addresses = _addresses(spec, networks)
    places = limits.parents() if spec["cgroups"] else {}
    limits.sweep(places.values())
    if spec["bwrap"] is None:
        plain.link(spec["hosts"][0]["mounts"])
    started: list[hosts.Host] = []
    try:
        for index, one in enumerate(spec["hosts"]):
            groups = limits.Groups(f"{os.getpid()}-{index}", places)
            groups.create(spec["limits"])
            host = hosts.Host(one, groups, sandboxed=spec["bwrap"] is not None, now=now)
            host.start(_prepare(spec, groups, networks, index), _launch(spec, run_dir, index, addresses))
            started.append(host)
    except OSError:
        for host in started:
            host.kill()
        raise
    return started


def _networks(spec: Mapping[str, Any]) -> switch.Networks | None:
    if spec["network"] != "job" or len(spec["hosts"]) < 2:
        return None
    from glasshouse.engines.execute import switch  # costs 6 ms, which only jobs of several hosts pay

    return switch.build(len(spec["hosts"]))


def _addresses(spec: Mapping[str, Any], networks: switch.Networks | None) -> dict[str, str]:
    """host name -> address. On the machine's own network, the hosts of one job get loopback addresses."""
    names = [host["name"] for host in spec["hosts"]]
    if networks is not None:
        return dict(zip(names, networks.addresses, strict=True))
    if len(names) == 1:
        return {names[0]: "127.0.0.1"}
    high, low = os.urandom(2)
    return {name: f"127.{1 + high % 254}.{low}.{1 + index}" for index, name in enumerate(names)}


def _prepare(
    spec: Mapping[str, Any], groups: limits.Groups, networks: switch.Networks | None, index: int
) -> Callable[[], None]:
    def prepare() -> None:
        groups.enter()
        limits.restrict(spec["limits"], groups.enforced)
        os.umask(0o022)
        if networks is not None:
            networks.enter(index)

    return prepare


def _launch(
    spec: Mapping[str, Any], run_dir: str, index: int, addresses: Mapping[str, str]
) -> Callable[[int], None]:
    host = spec["hosts"][index]
    if spec["bwrap"] is None:
        return lambda _: hosts.exec_plain(
            host["argv"], env=plain.environment(host, spec["mark"]), workdir=host["workdir"]
        )
    etc = f"{run_dir}/etc-{index}"
    bubblewrap.write_etc(etc, name=host["name"], addresses=addresses, online=spec["network"] == "host")
    alone = spec["network"] == "none" or (spec["network"] == "job" and len(spec["hosts"]) == 1)
    options = bubblewrap.arguments(
        host,
        etc=etc,
        network="none" if alone else "share",
        tmp_bytes=spec["limits"]["memory_bytes"],
        hide=spec["hide"],
    )
    rules = seccomp.program(os.uname().machine)
    return lambda status_fd: hosts.exec_bwrap(
        spec["bwrap"], options, host["argv"], seccomp=rules, status_fd=status_fd, mark=spec["mark"]
    )
