"""The comparisons still run; what they measure is looked at by whoever runs them in earnest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.control_plane import cases


@pytest.mark.slow
def test_the_control_plane_is_compared_case_by_case() -> None:
    command = [sys.executable, "-m", "benchmarks.control_plane", "--rows", "300", "--rounds", "1"]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=120)
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    for case in cases.cases():
        assert any(line.startswith(f"{case.name} ") for line in lines), case.name
