"""Runs every check of the repository, one step after another, and stops at the first that fails.

python tools/check.py [step ...]       all steps, or only those named
python tools/check.py --list           the names of the steps
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
CODE = ["src", "tests", "tools", "benchmarks"]

STEPS: dict[str, list[str]] = {
    "format": [str(BIN / "ruff"), "format", "--check", "."],
    "lint": [str(BIN / "ruff"), "check", "."],
    "types": [str(BIN / "mypy")],
    "imports": [str(BIN / "lint-imports"), "--no-logo"],
    "lock": [str(BIN / "uv"), "lock", "--check", "--offline", "--quiet"],
    "docs": [sys.executable, "tools/reference.py", "--check"],
    "tests": [sys.executable, "-m", "pytest", "-n", "2", "--dist", "worksteal", "--durations", "15", "-q"],
}


def main(names: list[str]) -> int:
    """Runs the steps and returns the first status that is not 0."""
    if names == ["--list"]:
        print("\n".join(STEPS))
        return 0
    unknown = [name for name in names if name not in STEPS]
    if unknown:
        print(f"There is no step {unknown[0]}; the steps are {', '.join(STEPS)}.", file=sys.stderr)
        return 2
    chosen = names or list(STEPS)
    # Tests start many processes; each would compile our sources anew.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    began = time.monotonic()
    for number, name in enumerate(chosen, start=1):
        print(f"\n== {number} of {len(chosen)}: {name}: {shown(STEPS[name])}", flush=True)
        started = time.monotonic()
        status = subprocess.run(STEPS[name], cwd=ROOT, env=environment, check=False).returncode
        print(
            f"== {name}: {'ok' if status == 0 else 'FAILED'} in {time.monotonic() - started:.1f} s",
            flush=True,
        )
        if status:
            print(f"== stopped; again with: {shown(STEPS[name])}", file=sys.stderr)
            return status
    print(f"\n== all {len(chosen)} steps passed in {time.monotonic() - began:.0f} s", flush=True)
    return 0


def shown(command: list[str]) -> str:
    """The command as one types it in the root of the checkout."""
    program = Path(command[0])
    return " ".join([f".venv/bin/{program.name}" if program.parent == BIN else command[0], *command[1:]])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
