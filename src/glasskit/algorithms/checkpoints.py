"""Checkpoints of a model that grows round by round: `<prefix>.<round>`, the newest few kept.

A file appears whole, by renaming; the names and the number kept are those of SageMaker's XGBoost container.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

KEPT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """`n_rounds` rounds are done in `path`."""

    path: Path
    n_rounds: int


def found(folder: Path, prefix: str) -> list[Checkpoint]:
    """The checkpoints in a folder, oldest first; none when there is no such folder."""
    if not folder.is_dir():
        return []
    numbered = [
        (int(path.name[len(prefix) + 1 :]), path)
        for path in folder.iterdir()
        if path.name.startswith(f"{prefix}.") and path.name[len(prefix) + 1 :].isdigit()
    ]
    return [Checkpoint(path=path, n_rounds=number + 1) for number, path in sorted(numbered)]


def save(folder: Path, prefix: str, round_number: int, model: bytes) -> None:
    """Writes the model after round `round_number` (the first is 0) and removes all but the newest few."""
    partial = folder / f".{prefix}.{round_number}.sagemaker-ignore"
    partial.write_bytes(model)
    partial.replace(folder / f"{prefix}.{round_number}")
    for old in found(folder, prefix)[:-KEPT]:
        old.path.unlink(missing_ok=True)
