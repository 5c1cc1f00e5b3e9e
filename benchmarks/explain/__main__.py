"""Runs the comparison: python -m benchmarks.explain [--only TEXT] [--rounds N].

Every line is the median, over rounds in which all contenders take turns, of time per row and of its ratio to
ours; on a shared machine only the ratios mean something. All work is done on one thread unless the line says so.
shapiq takes part where it is installed.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import lightgbm
import shap
import xgboost

from benchmarks.explain import models
from glasskit import trees

Work = Callable[[], object]
FEWER = 0.02


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.explain", description=__doc__)
    parser.add_argument("--only", default="", help="lines whose name contains this")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    print(f"{trees.backend()}; times per row in microseconds, ratios to glasskit", flush=True)
    for name in models.NAMES:
        if options.only not in name:
            continue
        model = models.made(name)
        print(f"\n{name}: {_set_up(model)}", flush=True)
        _path_dependent(model, rounds=options.rounds)
        if "100 x 31" in name or "depth 6" in name:
            _interactions(model, rounds=options.rounds)
            _interventional(model, rounds=options.rounds)
    return 0


def _set_up(model: models.Model) -> str:
    """Time and memory of every kind of explainer."""
    ensemble = trees.load(model.fitted)
    facts = []
    for what, background in (("computed", None), ("tables", None), ("background 1,000", models.rows(1000))):
        if what != "computed" and "100 x 31" not in model.name and "depth 6" not in model.name:
            continue
        started = time.perf_counter()
        explainer = trees.Explainer(ensemble, background, tables=what != "computed")
        taken = time.perf_counter() - started
        facts.append(f"{what} {taken:.2f} s, {explainer.size_bytes / 1e6:.1f} MB")
    return "; ".join(facts)


def _path_dependent(model: models.Model, *, rounds: int) -> None:
    ensemble = trees.load(model.fitted)
    computed = trees.Explainer(ensemble, n_threads=1)
    looked_up = trees.Explainer(ensemble, tables=True, n_threads=1)
    two = trees.Explainer(ensemble, n_threads=2)
    peers = _peers(model)
    for n in (1, 1000 if "500" in model.name or "Forest" in model.name else 10_000):
        drawn = models.rows(n, seed=5)
        few = drawn[: max(1, int(n * FEWER))]
        work: dict[str, tuple[Work, int]] = {
            "glasskit": (functools.partial(computed.shap_values, drawn), n),
            "glasskit, tables": (functools.partial(looked_up.shap_values, drawn), n),
        }
        if n > 1:
            work["glasskit, 2 threads"] = (functools.partial(two.shap_values, drawn), n)
        for peer, function in peers.items():
            given = few[:5] if peer == "shapiq" else few
            work[peer] = (functools.partial(function, given), len(given))
        _show(f"SHAP values, {n} rows" if n > 1 else "SHAP values, 1 row", work, rounds)


def _interactions(model: models.Model, *, rounds: int) -> None:
    drawn = models.rows(1000, seed=5)
    explainer = trees.Explainer(trees.load(model.fitted), n_threads=1)
    tree_shap = shap.TreeExplainer(model.fitted)
    work: dict[str, tuple[Work, int]] = {
        "glasskit": (lambda: explainer.interaction_values(drawn), len(drawn)),
        "shap": (lambda: tree_shap.shap_interaction_values(drawn[:10]), 10),
    }
    if isinstance(model.fitted, xgboost.Booster):
        work["xgboost"] = (
            lambda: model.fitted.predict(xgboost.DMatrix(drawn[:100], nthread=1), pred_interactions=True),
            100,
        )
    _show("interactions, 1,000 rows", work, rounds)


def _interventional(model: models.Model, *, rounds: int) -> None:
    background = models.rows(1000)
    explainer = trees.Explainer(trees.load(model.fitted), background, n_threads=1)
    tree_shap = shap.TreeExplainer(
        model.fitted,
        shap.maskers.Independent(background, max_samples=len(background)),
        feature_perturbation="interventional",
    )
    for n in (1, 10_000):
        drawn = models.rows(n, seed=5)
        work: dict[str, tuple[Work, int]] = {
            "glasskit": (functools.partial(explainer.shap_values, drawn), n),
            "shap": (functools.partial(tree_shap.shap_values, drawn[:2]), len(drawn[:2])),
        }
        _show(f"background 1,000, {n} row(s)", work, min(rounds, 5))


def _peers(model: models.Model) -> dict[str, Callable[[Any], object]]:
    fitted = model.fitted
    peers: dict[str, Callable[[Any], object]] = {"shap": shap.TreeExplainer(fitted).shap_values}
    if isinstance(fitted, lightgbm.Booster):
        peers["lightgbm"] = lambda rows: fitted.predict(rows, pred_contrib=True, num_threads=1)
    if isinstance(fitted, xgboost.Booster):
        peers["xgboost"] = lambda rows: fitted.predict(xgboost.DMatrix(rows, nthread=1), pred_contribs=True)
    peers |= _optional_peers(fitted)
    return peers


def _optional_peers(fitted: Any) -> dict[str, Callable[[Any], object]]:
    peers: dict[str, Callable[[Any], object]] = {}
    try:
        shapiq = importlib.import_module("shapiq")
    except ImportError:
        return peers
    one_class = {} if isinstance(fitted, lightgbm.Booster | xgboost.Booster) else {"class_index": 1}
    explainer = shapiq.TreeExplainer(fitted, max_order=1, index="SV", **one_class)
    peers["shapiq"] = lambda rows: [explainer.explain(row) for row in rows]
    return peers


def _show(title: str, work: dict[str, tuple[Work, int]], rounds: int) -> None:
    taken: dict[str, list[float]] = {name: [] for name in work}
    for number in range(rounds + 1):
        for name, (function, n_rows) in work.items():
            seconds = _seconds(function)
            if number:
                taken[name].append(seconds / n_rows)
    ours = taken["glasskit"]
    print(f"  {title}")
    for name, times in taken.items():
        ratio = statistics.median(theirs / own for theirs, own in zip(times, ours, strict=True))
        print(f"    {name:22} {statistics.median(times) * 1e6:12.1f} us {ratio:10.2f} x", flush=True)


def _seconds(function: Work) -> float:
    """The mean of as many calls as fit into a hundredth of a second, at least one."""
    started, calls = time.perf_counter(), 0
    while not calls or time.perf_counter() - started < 0.01:
        function()
        calls += 1
    return (time.perf_counter() - started) / calls


if __name__ == "__main__":
    sys.exit(main())
