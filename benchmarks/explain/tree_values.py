"""SHAP values, interactions and values against a background, for every model and every contender that can."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.explain import contenders, environments, models, rounds
from glasskit import trees

N_BACKGROUND = 1000
SAMPLES = {"shap": 200, "lightgbm": 1000, "xgboost": 1000, "shapiq": 500}
"""Rows with which contenders whose time grows with the rows are timed instead of all."""
ENVIRONMENT = dict.fromkeys(("shap", "lightgbm", "xgboost", "woodelf", "shapiq"), "peers") | {
    "fasttreeshap": "fasttreeshap"
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One kind of explanation, and the row counts it is timed with."""

    kind: contenders.Kind
    title: str
    n_rows: tuple[int, ...]
    own: tuple[str, ...]
    peers: tuple[str, ...]


def compare(*, only: str, kind: str, rounds: int) -> None:
    """Prints a Markdown table for every model and kind."""
    print(
        f"{trees.backend()}. Processor time per row, its ratio to the first line of each table, the ratio of the "
        "times that passed, and the largest difference of two rows' values from ours.\n"
    )
    found, missing = _environments()
    for peer, reason in missing.items():
        print(f"- missing: {peer} ({reason})")
    for name in models.NAMES:
        if only not in name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            models.save(models.trained(name), Path(folder))
            for case in cases(name):
                if kind in case.kind:
                    _compare(name, case, Path(folder), found, rounds)


def cases(model: str) -> list[Case]:
    """What is compared for a model."""
    many = 1000 if model in models.LARGE else 10_000
    library = {"L": ("lightgbm",), "X": ("xgboost",)}.get(model[0], ())
    wanted = [
        Case(
            kind="values",
            title="SHAP values",
            n_rows=(1, many),
            own=("glasskit", "glasskit, tables", "glasskit, 2 threads"),
            peers=("shap", *library, "fasttreeshap", "woodelf", "shapiq"),
        ),
        Case(
            kind="background",
            title=f"SHAP values against {N_BACKGROUND:,} background rows",
            n_rows=(1, many),
            own=("glasskit",),
            peers=("shap", "woodelf", "shapiq"),
        ),
    ]
    if model not in models.LARGE:
        wanted.append(
            Case(
                kind="interactions",
                title="interaction values",
                n_rows=(1000,),
                own=("glasskit",),
                peers=("shap", *(("xgboost",) if model[0] == "X" else ()), "woodelf", "shapiq"),
            )
        )
    return wanted


def _environments() -> tuple[dict[str, Path], dict[str, str]]:
    """The interpreter of every peer, and which peers are missing why."""
    found, missing = {}, {}
    for peer, name in ENVIRONMENT.items():
        try:
            found[peer] = environments.made(name).python
        except environments.Unavailable as exc:
            missing[peer] = str(exc)
    return found, missing


def _compare(model: str, case: Case, folder: Path, found: dict[str, Path], n_rounds: int) -> None:
    request = {
        "model": model,
        "kind": case.kind,
        "folder": str(folder),
        "n_background": N_BACKGROUND if case.kind == "background" else 0,
    }
    pythons = dict.fromkeys(case.own, Path(sys.executable)) | {
        peer: found[peer] for peer in case.peers if peer in found
    }
    failed: dict[str, str] = {}
    with _started(pythons, request, failed) as started:
        print(f"\n## {model}: {case.title}\n")
        print("| set-up | processor seconds | MB |\n|---|---|---|")
        for each in started:
            print(
                f"| {each.name} | {each.set_up['set_up_s']:.3f} | {each.set_up['set_up_bytes'] / 1e6:.0f} |"
            )
        for n in case.n_rows:
            counts = {each: _sample(each.name, case, n) for each in started if each.name not in failed}
            if n == 1:
                counts = {each: 1 for each in counts if each.name != "glasskit, 2 threads"}
            lines, broken = rounds.compared(counts, rounds=n_rounds)
            failed |= broken
            _show(f"{n:,} rows" if n > 1 else "one row", lines)
        for name, reason in failed.items():
            print(f"- {name} failed: {reason}", flush=True)


def _sample(name: str, case: Case, n: int) -> int:
    fewer = SAMPLES.get(name, n)
    if case.kind == "background":
        fewer = {"shap": 4, "shapiq": n}.get(name, n)  # shapiq leaves many rows to woodelf
    elif case.kind == "interactions":
        fewer = {"shap": 20, "xgboost": 200, "shapiq": 200}.get(name, n)
    return min(n, fewer)


def _show(title: str, lines: list[rounds.Line]) -> None:
    print(f"\n| {title} | us a row | ratio | passed | difference | |\n|---|---|---|---|---|---|")
    for line in lines:
        far = "" if line.difference is None else f"{line.difference:.0e}"
        ratios = f"{line.ratio:,.2f} | {line.passed_ratio:,.2f}"
        print(f"| {line.name} | {line.row_s * 1e6:,.1f} | {ratios} | {far} | {line.note} |", flush=True)


@contextlib.contextmanager
def _started(
    pythons: dict[str, Path], request: dict[str, Any], failed: dict[str, str]
) -> Iterator[list[rounds.Contender]]:
    started: list[rounds.Contender] = []
    try:
        for name, python in pythons.items():
            try:
                started.append(rounds.Contender(name, python, request))
            except rounds.Failed as exc:
                failed[name] = str(exc)
        yield started
    finally:
        for contender in started:
            contender.close()
