"""The peers' environments: one for each lock in `peers`, apart from the project's own.

Peers disagree on versions, so they get several; every one is made anew when its lock has changed.
"""

from __future__ import annotations

import dataclasses
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

LOCKS = Path(__file__).resolve().parent / "peers"
ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".venvs" / "explain"
STAMP = "built-from.txt"
PYTHON = {"peers": (3, 12), "fasttreeshap": (3, 11), "dice": (3, 11)}
"""The oldest Python whose packages we compare with: shapiq's quick versions ask for 3.12."""


class Unavailable(Exception):
    """An environment cannot be made here; the text says why."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """An interpreter that has some of the peers."""

    name: str
    python: Path


def made(name: str) -> Environment:
    """The environment of that lock, built when there is none or its lock has changed. Raises Unavailable."""
    lock, folder = LOCKS / f"{name}.txt", FOLDER / name
    python = folder / "bin" / "python"
    if not python.exists() or _stamp(folder) != lock.read_text(encoding="utf-8"):
        _build(name, lock, folder)
        (folder / STAMP).write_text(lock.read_text(encoding="utf-8"), encoding="utf-8")
    return Environment(name=name, python=python)


def lock_anew() -> None:
    """Resolves all locks again."""
    for name, oldest in PYTHON.items():
        version = ".".join(map(str, oldest))
        command = [
            _uv(),
            "pip",
            "compile",
            "--quiet",
            "--upgrade",
            "--universal",
            "--python-version",
            version,
        ]
        command += ["--generate-hashes", "--no-annotate", "--custom-compile-command"]
        command += ["python -m benchmarks.explain locks", f"{name}.in", "-o", f"{name}.txt"]
        subprocess.run(command, cwd=LOCKS, check=True)


def _stamp(folder: Path) -> str:
    stamp = folder / STAMP
    return stamp.read_text(encoding="utf-8") if stamp.exists() else ""


def _build(name: str, lock: Path, folder: Path) -> None:
    interpreter = _interpreter(PYTHON[name])
    shutil.rmtree(folder, ignore_errors=True)
    for command in (
        [_uv(), "venv", "--quiet", "--python", interpreter, str(folder)],
        [
            _uv(),
            "pip",
            "sync",
            "--quiet",
            "--require-hashes",
            "--python",
            str(folder / "bin" / "python"),
            str(lock),
        ],
    ):
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode:
            shutil.rmtree(folder, ignore_errors=True)
            raise Unavailable(f"{name}: {' '.join(done.stderr.split())[-300:]}")


def _uv() -> str:
    beside = Path(sys.executable).parent / "uv"
    found = str(beside) if beside.exists() else shutil.which("uv")
    if not found:
        raise Unavailable("uv is neither beside this interpreter nor on the path")
    return found


def _interpreter(oldest: tuple[int, int]) -> str:
    """A Python of that version or a later one, on the path or where pyenv keeps them."""
    for candidate in _candidates():
        asked = [
            candidate,
            "-c",
            f"import sys; sys.exit(not ((3, 14) > sys.version_info[:2] >= {oldest}))",
        ]
        if subprocess.run(asked, check=False, capture_output=True).returncode == 0:
            return candidate
    raise Unavailable(f"no Python {oldest[0]}.{oldest[1]} or later was found on this machine")


def _candidates() -> Iterator[str]:
    yield sys.executable
    for minor in (12, 13, 11):
        if found := shutil.which(f"python3.{minor}"):
            yield found
        pattern = f"versions/3.{minor}*/bin/python3.{minor}"
        yield from map(str, sorted((Path.home() / ".pyenv").glob(pattern)))
