"""Where things lie inside a container: /opt/ml, or what SAGEMAKER_BASE_DIR names."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders of SageMaker's container contract under one base."""

    base: Path

    @property
    def code(self) -> Path:
        return self.base / "code"

    @property
    def packages(self) -> Path:
        """Where a job's own requirements are installed."""
        return self.base / "packages"

    @property
    def model(self) -> Path:
        return self.base / "model"

    @property
    def input(self) -> Path:
        return self.base / "input"

    @property
    def config(self) -> Path:
        return self.input / "config"

    @property
    def output(self) -> Path:
        return self.base / "output"

    @property
    def checkpoints(self) -> Path:
        return self.base / "checkpoints"

    def channel(self, name: str) -> Path:
        return self.input / "data" / name

    def read_config(self, name: str) -> dict[str, Any]:
        """A file of input/config as a dictionary; an absent file is an empty one."""
        path = self.config / name
        if not path.exists():
            return {}
        with path.open(encoding="utf-8") as file:
            found = json.load(file)
        return found if isinstance(found, dict) else {}


def current() -> Layout:
    """The layout of this container."""
    return Layout(Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml")))
