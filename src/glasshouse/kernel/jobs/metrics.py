"""Metrics read off a log by the regular expressions of MetricDefinitions."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import regex

from glasshouse.kernel import errors

MATCH_TIMEOUT_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What was found, and the byte of the log to go on from."""

    latest: Mapping[str, tuple[float, float]]
    offset: int


def check(definitions: Iterable[Mapping[str, str]]) -> None:
    """Raises errors.Validation for an expression that does not compile or has no group."""
    for definition in definitions:
        try:
            groups = regex.compile(definition["Regex"]).groups
        except regex.error as error:
            raise errors.Validation(
                f"MetricDefinitions: the regular expression of {definition['Name']} is not valid: {error}"
            ) from error
        if not groups:
            raise errors.Validation(
                f"MetricDefinitions: the regular expression of {definition['Name']} has no group for the value."
            )


def scan(log: Path, definitions: Iterable[Mapping[str, str]], offset: int, *, budget_s: float) -> Scan:
    """The latest finite value and time of each metric in the complete lines after `offset`.

    It ends early when it took longer than the budget; what is left is for the next scan. An expression that takes
    too long on one line is left out from then on.
    """
    patterns = {d["Name"]: regex.compile(d["Regex"]) for d in definitions}
    latest: dict[str, tuple[float, float]] = {}
    if not patterns or not log.is_file():
        return Scan(latest=latest, offset=offset)
    over_at = time.monotonic() + budget_s
    with log.open("rb") as file:
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n") or not patterns or time.monotonic() > over_at:
                break
            offset += len(line)
            _read(line, patterns, latest)
    return Scan(latest=latest, offset=offset)


def _read(line: bytes, patterns: dict[str, Any], latest: dict[str, tuple[float, float]]) -> None:
    try:
        entry = json.loads(line)
        text, at = str(entry["m"]), float(entry["t"]) / 1000
    except (ValueError, KeyError):
        return
    for name, pattern in list(patterns.items()):
        try:
            found = pattern.search(text, timeout=MATCH_TIMEOUT_S)
            if found and math.isfinite(value := float(found[1])):
                latest[name] = (value, at)
        except (ValueError, TypeError):
            continue
        except TimeoutError:
            del patterns[name]
