"""Locked Python environments, built once and shared by all jobs, in two layers.

The lower layer is a virtual environment of one lock file: all third-party packages, hashes checked, compiled to
bytecode. The upper layer is a small environment with a copy of glasskit and a `.pth` line to the lower one, so that
a change of our own code costs a second and not a reinstallation. Each layer is a folder named after the digest of
everything in it, built beside its place and renamed into it under a file lock: builders of the same layer, in any
process, wait for one another, and a killed build leaves nothing that could be taken for a finished one.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import glasskit
from glasshouse.engines.images import runtimes, trees
from glasshouse.kernel import errors, ports

_FORMAT = "2"
"""Changes when a layer is built in another way."""

_MARKER = "glasshouse-environment.json"
_LOCKS = Path(__file__).with_name("locks")
_LAST_LINES = 15
_PIP = """#!/bin/sh
exec "$(dirname "$0")/python" -m pip "$@"
"""
"""pip of the upper layer. To it the lower layer lies outside its environment, so it never tries to remove from it."""

Report = Callable[[str], None]


class LockedImages:
    """The Images port. `folder` holds the layers, `locks` the lock files; `report` gets lines of progress."""

    def __init__(self, folder: Path, *, report: Report, locks: Path = _LOCKS) -> None:
        self._folder = folder
        self._locks = locks
        self._report = report
        self._ready: dict[str, ports.Environment] = {}
        self._guard = threading.Lock()

    def known(self) -> tuple[str, ...]:
        return runtimes.known()

    def resolve(self, uri: str) -> ports.Runtime:
        return runtimes.resolve(uri)

    def environment(self, runtime: ports.Runtime) -> ports.Environment:
        with self._guard:
            found = self._ready.get(runtime.environment)
            if found is None or not all(mount.source.exists() for mount in found.mounts):
                found = self._prepared(self._locks / f"{runtime.environment}.txt")
                self._ready[runtime.environment] = found
            return found

    def recorded(self, digest: str) -> ports.Environment | None:
        top = self._folder.resolve() / digest
        if not digest.isalnum() or not (top / _MARKER).exists():
            return None
        (lower,) = (top / "lib").glob("python*/site-packages/lower_layer.pth")
        base = Path(lower.read_text(encoding="utf-8").strip()).parents[2]
        return _environment(digest, base, top) if (base / _MARKER).exists() else None

    def _prepared(self, lock: Path) -> ports.Environment:
        """Both layers, built where they are missing. Raises errors.Fatal."""
        self._folder.mkdir(parents=True, exist_ok=True)
        folder = self._folder.resolve()
        ours = Path(glasskit.__file__).parent
        base_digest = _hash(_FORMAT, interpreter_facts(), lock.read_text(encoding="utf-8"))
        digest = _hash(_FORMAT, base_digest, trees.digest(ours))
        base, top = folder / base_digest, folder / digest
        self._layer(base, lambda partial: self._install(lock, partial))
        self._layer(top, lambda partial: _stack(ours, base, partial))
        return _environment(digest, base, top)

    def _layer(self, place: Path, build: Callable[[Path], None]) -> None:
        if (place / _MARKER).exists():
            return
        with _locked(place.with_name(f".{place.name}.lock")):
            if (place / _MARKER).exists():
                return
            partial = place.with_name(f".{place.name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            shutil.rmtree(place, ignore_errors=True)
            build(partial)
            facts = {"digest": place.name, "format": _FORMAT, "python": platform.python_version()}
            (partial / _MARKER).write_text(json.dumps(facts) + "\n", encoding="utf-8")
            partial.rename(place)

    def _install(self, lock: Path, partial: Path) -> None:
        """The lower layer."""
        self._report(f"Building the environment {lock.stem}; this happens once and takes a minute or two")
        python = str(interpreter())
        self._run([*_uv(), "venv", "--relocatable", "--no-project", "--python", python, str(partial)])
        target = ["--python", str(partial / "bin" / "python"), "--require-hashes", "--requirement", str(lock)]
        self._run([*_uv(), "pip", "install", "--compile-bytecode", "--no-deps", *target])
        self._report(f"The environment {lock.stem} is ready")

    def _run(self, argv: list[str]) -> None:
        """Runs a tool, reporting each line. Raises errors.Fatal with its last lines."""
        lines: list[str] = []
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as child:
            for line in child.stdout or ():
                lines.append(line.rstrip())
                self._report(line.rstrip())
        if child.returncode:
            end = "\n".join(lines[-_LAST_LINES:])
            raise errors.Fatal(f"The environment cannot be built: {Path(argv[0]).name} said:\n{end}")


def _environment(digest: str, base: Path, top: Path) -> ports.Environment:
    """Both layers, and the interpreter where the system's folders do not hold it."""
    home = Path(sys.base_prefix).resolve()
    shared = [base, top] if home.is_relative_to("/usr") else [base, top, home]
    return ports.Environment(
        digest=digest,
        mounts=tuple(ports.Mount(source=path, target=str(path)) for path in shared),
        path=f"{top / 'bin'}{os.pathsep}{base / 'bin'}",
    )


def interpreter() -> Path:
    """The Python outside any virtual environment that runs us, and that will run jobs."""
    return Path(sys.executable).resolve()


def interpreter_facts() -> str:
    """What of the interpreter and the machine decides which wheels fit, and where the environment points."""
    facts = (platform.python_implementation(), platform.python_version(), platform.machine())
    return "\n".join([*facts, *platform.libc_ver(), str(interpreter())])


def _stack(ours: Path, base: Path, partial: Path) -> None:
    """The upper layer: an environment of the same interpreter that sees glasskit and the lower layer's packages."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = Path("lib") / version / "site-packages"
    (partial / packages).mkdir(parents=True)
    (partial / "bin").mkdir()
    for name in ("python", "python3", version):
        (partial / "bin" / name).symlink_to(interpreter())
    for name in ("pip", "pip3"):
        (partial / "bin" / name).write_text(_PIP, encoding="utf-8")
        (partial / "bin" / name).chmod(0o755)
    config = f"home = {interpreter().parent}\ninclude-system-site-packages = false\n"
    (partial / "pyvenv.cfg").write_text(f"{config}version = {platform.python_version()}\n", encoding="utf-8")
    (partial / packages / "lower_layer.pth").write_text(f"{base / packages}\n", encoding="utf-8")
    trees.copy(ours, partial / packages / "glasskit")
    compiled = subprocess.run(
        [str(interpreter()), "-m", "compileall", "-q", str(partial / packages)],
        capture_output=True,
        text=True,
    )
    if compiled.returncode:
        raise errors.Fatal(f"glasskit cannot be compiled: {compiled.stdout[-1000:]}")


def _uv() -> list[str]:
    beside = Path(sys.executable).with_name("uv")
    return [str(beside)] if beside.exists() else [sys.executable, "-m", "uv"]


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds an exclusive lock on the file, waiting for it; the kernel frees it when its holder dies."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
