"""Runs the blocks of one page in order, as a reader would: a program, given the blocks as JSON on standard input.

Variables that a shell block exports and names that a Python block defines stay for the blocks behind it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
START_WITHIN_S = 60.0


def main() -> None:
    page = json.load(sys.stdin)
    names: dict[str, object] = {"__name__": "__main__"}
    servers: list[subprocess.Popen[bytes]] = []
    try:
        for block in page["blocks"]:
            print(f"--- {page['name']}:{block['line']} {block['language']} {block['mark']}", flush=True)
            if block["mark"] == "background":
                servers.append(_started(block["code"]))
            elif block["language"] == "sh":
                _shell(block["code"])
            elif block["mark"]:
                _client(block["mark"], block["code"])
            else:
                code = "\n" * (block["line"] - 1) + block["code"]
                exec(compile(code, page["name"], "exec"), names)
    finally:
        for server in servers:
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(60)


def _shell(code: str) -> None:
    with tempfile.NamedTemporaryFile() as kept:
        script = f"{code}\nenv -0 > {kept.name}\n"
        subprocess.run(["bash", "-euo", "pipefail", "-c", script], check=True)
        for pair in filter(None, Path(kept.name).read_text().split("\0")):
            name, _, value = pair.partition("=")
            os.environ[name] = value


def _started(code: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(["bash", "-euo", "pipefail", "-c", code], start_new_session=True)
    deadline = time.monotonic() + START_WITHIN_S
    chosen = re.search(r"--data (\S+)", code)
    words = ["--data", str(Path(chosen[1]).expanduser())] if chosen else []
    while subprocess.run(["glasshouse", "status", *words], capture_output=True, check=False).returncode:
        assert process.poll() is None, "the server ended"
        assert time.monotonic() < deadline, "the server did not start in time"
    return process


def _client(environment: str, code: str) -> None:
    python = REPOSITORY / ".venvs" / environment / "bin" / "python"
    quick = {"PYTHONPATH": str(REPOSITORY / "tests" / "sdk" / "quick")}
    subprocess.run([python, "-c", code], env={**os.environ, **quick}, check=True)


if __name__ == "__main__":
    main()
