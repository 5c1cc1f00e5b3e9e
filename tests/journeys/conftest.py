"""The interpreters of the real SDKs, and a server for them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.support import installation

ENVIRONMENTS = installation.REPOSITORY / ".venvs"
QUICK = installation.REPOSITORY / "tests" / "sdk" / "quick"
"""On a PYTHONPATH, it makes the SDKs' long pauses between polls short."""

SdkPython = Callable[[str], Path]


@pytest.fixture(scope="session")
def sdk_python() -> SdkPython:
    """sdk_python("sdk-v2") is the interpreter that has that SDK: sdk-v2, sdk-v3 or clients."""

    def interpreter(name: str) -> Path:
        python = ENVIRONMENTS / name / "bin" / "python"
        assert python.exists(), f"{python} is missing; run: make sdk-envs"
        return python

    return interpreter


@pytest.fixture(scope="session")
def run_with(sdk_python: SdkPython) -> Callable[..., str]:
    """run_with("sdk-v2", code, variables) runs the program there and returns what it printed."""

    def run(
        name: str, code: str, variables: Mapping[str, str], *, within_s: float = 240, cwd: Path | None = None
    ) -> str:
        environment = installation.environment({**variables, "PYTHONPATH": str(QUICK)})
        done = subprocess.run(
            [str(sdk_python(name)), "-c", code],
            env=environment,
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=within_s,
            check=False,
        )
        assert done.returncode == 0, done.stdout[-8000:]
        return done.stdout

    return run


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[installation.Installation]:
    """One server for all journeys that only need some server; each makes names of its own."""
    with installation.installed(tmp_path_factory.mktemp("journeys") / "data") as running:
        yield running
