"""Builds what a checkout needs: .venv from uv.lock, the runtimes of jobs, and the tests' client environments.

    python tools/setup.py            .venv and the runtimes
    python tools/setup.py clients    one environment for each lock in tests/sdk

Every step leaves a stamp of what it was built from, and does nothing when the stamp still fits. Standard library only.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
SIDE = ROOT / ".venvs"
KERNEL = ROOT / "src" / "glasskit" / "trees" / "kernel"
LOCK = ROOT / "uv.lock"
CLIENTS = ROOT / "tests" / "sdk"
QUIET = [] if sys.stderr.isatty() else ["--quiet"]
"""Where nobody watches, progress bars would only be noise."""
NO_PIP = (
    "This Python can neither make a virtual environment with pip nor run pip. On Debian or Ubuntu run\n"
    "    apt-get install python3-venv\n"
    "or name another Python: make PYTHON=/path/to/python3.12"
)


class Impossible(Exception):
    """Set-up cannot go on; the text says what to do."""


def main(arguments: list[str]) -> int:
    """Runs the steps that are due. Returns the exit status."""
    if arguments not in ([], ["clients"]):
        print(__doc__)
        return 2
    os.chdir(ROOT)
    os.environ.setdefault("UV_PYTHON_DOWNLOADS", "never")
    os.environ.setdefault("UV_COMPILE_BYTECODE", "1")  # once here instead of at every start
    started = time.monotonic()
    try:
        if arguments:
            for lock in sorted(CLIENTS.glob("*.txt")):
                client_environment(lock)
        else:
            virtual_environment()
            runtimes()
    except Impossible as reason:
        print(f"\nSet-up stopped: {reason}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nSet-up stopped; run it again to go on from here.", file=sys.stderr)
        return 130
    if time.monotonic() - started > 1:
        say(f"set up in {time.monotonic() - started:.0f} s")
    return 0


def virtual_environment() -> None:
    """.venv, exactly as uv.lock says."""
    stamp = VENV / "glasshouse-stamp"
    sources = sorted(path for path in KERNEL.iterdir() if path.suffix in (".c", ".h", ".py"))
    wanted = digest(LOCK, ROOT / "pyproject.toml", ROOT / "tools" / "build_kernel.py", *sources)
    if fits(stamp, wanted, VENV / "bin" / "glasshouse"):
        return
    uv = uv_program()

    def build() -> None:
        stamp.unlink(missing_ok=True)
        run([uv, "sync", "--frozen", *QUIET, "--python", sys.executable], environment={"VIRTUAL_ENV": ""})
        stamp.write_text(wanted)

    step(f"{VENV.name}: the packages of uv.lock (some hundreds of megabytes the first time)", build)


def runtimes() -> None:
    """The environments that jobs run in, so that the first job need not wait. The program itself knows what is due."""
    run([str(VENV / "bin" / "glasshouse"), "images", "--build"])


def client_environment(lock: Path) -> None:
    """.venvs/<name>: one set of real clients for the tests."""
    folder = SIDE / lock.stem
    stamp = folder / "glasshouse-stamp"
    python = folder / "bin" / "python"
    wanted = digest(lock)
    if fits(stamp, wanted, python):
        return
    uv = uv_program()

    def build() -> None:
        stamp.unlink(missing_ok=True)
        run([uv, "venv", "--quiet", "--allow-existing", "--python", sys.executable, str(folder)])
        run([uv, "pip", "sync", *QUIET, "--require-hashes", "--python", str(python), str(lock)])
        stamp.write_text(wanted)

    step(f"{folder.relative_to(ROOT)}: the clients of {lock.relative_to(ROOT)}", build)


def uv_program() -> str:
    """uv at the locked version: the one in .venv when it runs, else one installed by pip into .venvs/uv."""
    version, hashes = locked("uv")
    for place in (VENV / "bin" / "uv", SIDE / "uv" / "bin" / "uv"):
        if version_of(place) == version:
            return str(place)
    step(f"uv {version}, the installer", lambda: install_uv(version, hashes))
    return str(SIDE / "uv" / "bin" / "uv")


def install_uv(version: str, hashes: list[str]) -> None:
    """The wheel must have one of the hashes of uv.lock."""
    folder = SIDE / "uv"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    wish = folder / "requirements.txt"
    wish.write_text(f"uv=={version} " + " ".join(f"--hash={item}" for item in hashes) + "\n")
    options = [
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--require-hashes",
        "-r",
        str(wish),
    ]
    if succeeds([sys.executable, "-m", "venv", str(folder)]):
        run([str(folder / "bin" / "python"), "-m", "pip", *options])
    elif succeeds([sys.executable, "-m", "pip", "--version"]):
        shutil.rmtree(folder / "bin", ignore_errors=True)
        run([sys.executable, "-m", "pip", *options, "--target", str(folder)])
    else:
        raise Impossible(NO_PIP)
    if version_of(folder / "bin" / "uv") != version:
        raise Impossible(f"pip installed no uv {version} that runs on this machine; see the lines above.")


def locked(name: str) -> tuple[str, list[str]]:
    """The version of a package in uv.lock, and the hashes of its wheels."""
    for package in tomllib.loads(LOCK.read_text())["package"]:
        if package["name"] == name:
            return package["version"], [wheel["hash"] for wheel in package["wheels"]]
    raise Impossible(f"uv.lock does not name {name}; run: uv lock")


def version_of(program: Path) -> str:
    if not program.exists():
        return ""
    try:
        answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    except OSError:
        return ""
    return (answer.split() or ["", ""])[1] if " " in answer else ""


def digest(*files: Path) -> str:
    """Of the contents, this Python and the place of the checkout (environments do not survive a move)."""
    whole = hashlib.sha256(f"{sys.version}\0{ROOT}".encode())
    for file in files:
        whole.update(b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return whole.hexdigest()


def fits(stamp: Path, wanted: str, program: Path) -> bool:
    return program.exists() and stamp.exists() and stamp.read_text() == wanted


def step(title: str, work: Callable[[], None]) -> None:
    say(title)
    started = time.monotonic()
    work()
    say(f"  done in {time.monotonic() - started:.1f} s")


def say(text: str) -> None:
    print(f"setup: {text}", flush=True)


def succeeds(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def run(command: list[str], *, environment: dict[str, str] | None = None) -> None:
    """Runs the command with its output shown. Raises Impossible when it fails."""
    done = subprocess.run(command, env={**os.environ, **(environment or {})}, check=False)
    if done.returncode:
        raise Impossible(
            f"`{' '.join(command)}` ended with status {done.returncode}; its lines above say why."
        )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
