"""Contenders taking turns: each in a process of its own, one at work at a time, compared by the ratios of a round."""

from __future__ import annotations

import dataclasses
import json
import statistics
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.explain import environments


class Failed(Exception):
    """A contender cannot take part; the text says why."""


class Contender:
    """A worker process: set up once, timed when asked."""

    def __init__(self, name: str, python: Path, request: dict[str, Any]) -> None:
        self.name = name
        self._process = subprocess.Popen(
            [str(python), "-m", "benchmarks.explain.worker"],
            cwd=environments.ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={
                "PATH": "/usr/bin:/bin",
                "PYTHONPATH": f"{environments.ROOT}:{environments.ROOT / 'src'}",
                "OMP_NUM_THREADS": "1",
                "NUMBA_NUM_THREADS": "1",
            },
        )
        self.set_up = self._asked(request | {"contender": name})

    def time(self, n: int, *, first: bool) -> dict[str, Any]:
        """Seconds per row for n rows. Raises Failed."""
        return self._asked({"n": n, "first": first})

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.communicate()

    def _asked(self, request: dict[str, Any]) -> dict[str, Any]:
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise Failed("no pipes")
        try:
            stdin.write(json.dumps(request) + "\n")
            stdin.flush()
        except BrokenPipeError as exc:
            raise Failed("its process ended") from exc
        line = stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"failed": "its process ended"}
        if "failed" in answer:
            self.close()
            raise Failed(str(answer["failed"]))
        return answer


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One contender's result: the median processor time of a row, the median of (its time / ours), its distance.

    passed_ratio: the same ratio of the times that passed on the clock, which several threads can shorten.
    """

    name: str
    row_s: float
    ratio: float
    passed_ratio: float
    difference: float | None
    note: str = ""


def compared(contenders: dict[Contender, int], *, rounds: int) -> tuple[list[Line], dict[str, str]]:
    """Lines, ours (the first contender's) first, and who failed why. contenders: with how many rows each is timed."""
    taken: dict[Contender, list[float]] = {contender: [] for contender in contenders}
    passed: dict[Contender, list[float]] = {contender: [] for contender in contenders}
    values: dict[Contender, Any] = {}
    failed: dict[str, str] = {}
    for number in range(rounds + 1):
        for contender, n_rows in contenders.items():
            if contender.name in failed:
                continue
            try:
                told = contender.time(n_rows, first=not number)
            except Failed as exc:
                failed[contender.name] = str(exc)
                continue
            if number:
                taken[contender].append(told["seconds"])
                passed[contender].append(told["passed_s"])
            else:
                values[contender] = np.array(told.get("values") or [])
    own = next(iter(contenders))
    lines = [
        Line(
            name=contender.name,
            row_s=statistics.median(times),
            ratio=_ratio(times, taken[own]),
            passed_ratio=_ratio(passed[contender], passed[own]),
            difference=_difference(values[own], values[contender]),
            note=""
            if contenders[contender] == contenders[own]
            else f"timed with {contenders[contender]} rows",
        )
        for contender, times in taken.items()
        if contender.name not in failed
    ]
    return lines, failed


def _ratio(theirs: list[float], ours: list[float]) -> float:
    return statistics.median(one / other for one, other in zip(theirs, ours, strict=True))


def _difference(ours: Any, theirs: Any) -> float | None:
    shared = min(len(ours), len(theirs))
    if not shared or (len(theirs) % max(1, len(ours)) and len(ours) % len(theirs)):
        return None
    return float(np.abs(ours[:shared] - theirs[:shared]).max())
