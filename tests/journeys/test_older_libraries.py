"""Decisions recorded years ago, with the libraries of that time, replay bit for bit with today's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import lightgbm
import numpy as np
import pytest
import xgboost

from tests.journeys import conftest
from tests.support import installation

pytestmark = pytest.mark.slow

N_ROWS = 4000 if os.environ.get("GLASSHOUSE_TEST_SOAK") else 170
"""Of each of three models: 12,000 decisions, or 510."""


@pytest.mark.soak
def test_decisions_of_older_libraries_replay_bit_for_bit(tmp_path: Path) -> None:
    python = conftest.ENVIRONMENTS / "older" / "bin" / "python"
    assert python.exists(), f"{python} is missing; run: make sdk-envs"
    sources = str(installation.REPOSITORY / "src")
    subprocess.run(
        [str(python), str(conftest.SDK / "older_decisions.py"), str(tmp_path), str(N_ROWS)],
        env={"PYTHONPATH": sources, "PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        check=True,
        timeout=conftest.WITHIN_S,
    )
    then = json.loads((tmp_path / "versions.json").read_text())
    now = {module.__name__: module.__version__ for module in (np, lightgbm, xgboost)}
    assert all(then[name] != now[name] for name in now), "the older libraries are today's"
    with (tmp_path / "records.jsonl").open() as records:
        done = subprocess.run(
            [sys.executable, "-m", "glasskit.decisions", str(tmp_path)],
            stdin=records,
            capture_output=True,
            text=True,
            check=True,
        )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == 3 * N_ROWS
    odd = [answer for answer in answers if answer["differences"] or answer["problem"]]
    assert odd == []
