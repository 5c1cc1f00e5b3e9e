"""The driver's orders: what the platform writes to /opt/ml/transform/spec.json."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """`None` for max_payload_mb, max_concurrent and strategy: the container may say, else the defaults hold."""

    files: tuple[str, ...]
    server: tuple[str, ...]
    content_type: str
    compression: str
    split: str
    accept: str
    assemble: str
    strategy: str | None
    max_payload_mb: int | None
    max_concurrent: int | None
    input_filter: str
    output_filter: str
    join: str
    timeout_s: float
    retries: int

    @property
    def limit_bytes(self) -> int:
        """The largest request; 0 MB means no limit."""
        return (self.max_payload_mb or 0) * MEBIBYTE or 2**62

    @property
    def single(self) -> bool:
        return self.strategy == "SingleRecord" or self.split == "None"


def read(path: Path) -> Orders:
    found = json.loads(path.read_text())
    return Orders(**{**found, "files": tuple(found["files"]), "server": tuple(found["server"])})


def completed(orders: Orders, container: dict[str, Any]) -> Orders:
    """What the request leaves open is filled from the container's /execution-parameters, then the defaults."""
    said = {"MULTI_RECORD": "MultiRecord", "SINGLE_RECORD": "SingleRecord"}
    strategy = said.get(str(container.get("BatchStrategy")), "MultiRecord")
    return replace(
        orders,
        strategy=orders.strategy or strategy,
        max_payload_mb=_first(orders.max_payload_mb, container.get("MaxPayloadInMB"), 6),
        max_concurrent=_first(orders.max_concurrent, container.get("MaxConcurrentTransforms"), 1),
    )


def _first(asked: int | None, said: Any, default: int) -> int:
    if asked is not None:
        return asked
    return said if isinstance(said, int) else default
