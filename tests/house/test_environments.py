"""Set-up can be run again, and says clearly what it lacks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house import repository

FIND = repository.ROOT / "tools" / "find-python"


def _found(path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": str(path), **variables}
    return subprocess.run(
        ["/bin/sh", str(FIND)], env=environment, capture_output=True, text=True, check=False
    )


def _program(folder: Path, name: str, text: str) -> None:
    file = folder / name
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)


def test_a_python_of_a_fitting_version_is_found(tmp_path: Path) -> None:
    (tmp_path / "python3").symlink_to(sys.executable)
    assert _found(tmp_path).stdout.strip() == str(tmp_path / "python3")


def test_no_python_at_all_ends_with_a_sentence(tmp_path: Path) -> None:
    done = _found(tmp_path)
    assert done.returncode == 1
    assert "needs Python 3.11, 3.12 or 3.13" in done.stderr


def test_an_old_python_is_passed_over_and_named(tmp_path: Path) -> None:
    _program(tmp_path, "python3", 'case "$1" in --version) echo Python 3.9.2;; *) exit 1;; esac')
    done = _found(tmp_path)
    assert done.returncode == 1
    assert "found: Python 3.9.2" in done.stderr


def test_a_newer_name_is_taken_where_python3_is_old(tmp_path: Path) -> None:
    _program(tmp_path, "python3", "exit 1")
    (tmp_path / "python3.12").symlink_to(sys.executable)
    assert _found(tmp_path).stdout.strip() == str(tmp_path / "python3.12")


@pytest.mark.slow
def test_the_second_set_up_of_the_client_environments_does_nothing() -> None:
    command = [sys.executable, str(repository.ROOT / "tools" / "setup.py"), "clients"]
    environment = {**os.environ, "PATH": "/nowhere"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_unknown_step_of_the_checks_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "tools/check.py", "lnit"],
        cwd=repository.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "the steps are format, lint, types, imports, lock, docs, tests" in done.stderr


def test_what_is_built_is_not_part_of_the_repository() -> None:
    built = [".venv/x", ".venvs/x", ".mypy_cache/x", "src/glasshouse/__pycache__/x"]
    done = subprocess.run(
        ["git", "check-ignore", *built], cwd=repository.ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == built
