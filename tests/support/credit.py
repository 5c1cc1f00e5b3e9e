"""Runs the credit solution's scripts as its jobs do: real processes on folders laid out as /opt/ml."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from glasshouse.solutions import credit
from glasshouse.solutions.credit import requests, tables
from glasshouse.solutions.credit.applicants import Applicant

HERE = Path(credit.__file__).parent
CHANNELS = ("schemas", "data_train", "label_train", "data_test", "label_test")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """The outputs of the two processing jobs."""

    datasets: Path
    schemas: Path
    transformed: Path

    def rows(self, part: str) -> list[dict[str, Any]]:
        text = (self.transformed / part / "part-00000.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]

    def schema(self, part: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.transformed / f"schemas/{part}.schema.json").read_text())
        return document


def run_script(
    script: str, *arguments: str, environment: dict[str, str] | None = None, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Runs one of the solution's scripts to its end."""
    return subprocess.run(
        [sys.executable, str(HERE / script), *arguments],
        env={**os.environ, **(environment or {})},
        check=check,
        text=True,
        capture_output=True,
        timeout=120,
    )


def prepare(base: Path, applicants: Iterable[Applicant], *, seed: int = 42) -> Prepared:
    """Writes the tables, crawls and transforms them."""
    datasets = base / "crawl/input/datasets"
    tables.build(applicants, seed=seed).write(datasets)
    run_script("processing/crawl.py", str(base / "crawl"))
    return transform(base, datasets=datasets, schemas=base / "crawl/output", seed=seed)


def transform(base: Path, *, datasets: Path, schemas: Path, seed: int) -> Prepared:
    """Runs the second processing job alone."""
    source = base / "transform/input"
    source.mkdir(parents=True)
    (source / "datasets").symlink_to(datasets)
    (source / "schemas").symlink_to(schemas)
    run_script("processing/transform.py", str(base / "transform"), environment={"SPLIT_SEED": str(seed)})
    return Prepared(datasets=datasets, schemas=schemas, transformed=base / "transform/output")


def train(
    prepared: Prepared,
    model_dir: Path,
    *,
    model: requests.ModelName = "better",
    changes: Mapping[str, object] | None = None,
    policies: Path | None = None,
) -> str:
    """Trains in script mode; what the script printed."""
    hyperparameters = {**requests.HYPERPARAMETERS[model], **(changes or {})}
    arguments = [text for name, value in hyperparameters.items() for text in (f"--{name}", str(value))]
    environment = {f"SM_CHANNEL_{name.upper()}": str(prepared.transformed / name) for name in CHANNELS}
    environment |= {"SM_CHANNEL_POLICIES": str(policies or HERE / "policies")}
    environment |= {"SM_MODEL_DIR": str(model_dir), "SM_NUM_CPUS": "1"}
    return run_script("training/train.py", *arguments, environment=environment).stdout


def real_data() -> Path:
    """The UCI file, which is not ours to ship; skips the test where no folder with it is named."""
    folder = os.environ.get("GLASSHOUSE_TEST_DATA")
    if folder is None:
        pytest.skip("GLASSHOUSE_TEST_DATA names no folder with german.data")
    return Path(folder) / "german.data"
