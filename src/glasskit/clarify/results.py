"""What an analysis found, and the files that hold it: analysis.json, explanations_shap/out.csv and baseline.csv."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from glasskit import bias
from glasskit.clarify import attributions, config, datasets, dependence, fairness, wordings

VERSION = "1.0"
Curve = dependence.Curve
Kind = Literal["numerical", "categorical", "free_text"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shap:
    """Features, labels (K), attributions, and the baseline as values."""

    features: tuple[str, ...]
    labels: tuple[str, ...]
    found: attributions.Attributions
    aggregation: config.Aggregation
    baseline: Sequence[Sequence[Any]]
    baseline_account: str
    kept: tuple[int, ...]
    """The places of the features that are shown."""

    def strengths(self) -> dict[str, float]:
        """How much each feature matters over all labels."""
        overall = self.found.overall("mean_abs").sum(axis=1)
        return {self.features[at]: float(overall[at]) for at in self.kept}

    def to_json(self) -> dict[str, Any]:
        """As in analysis.json."""
        overall = self.found.overall(self.aggregation)
        return {
            label: {
                "global_shap_values": {self.features[at]: float(overall[at, k]) for at in self.kept},
                "expected_value": float(self.found.expected[k]),
            }
            for k, label in enumerate(self.labels)
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Texts:
    """Rows that hold free text, explained. kinds: of each feature as Clarify calls it."""

    features: tuple[str, ...]
    kinds: tuple[Kind, ...]
    labels: tuple[str, ...]
    rows: Sequence[wordings.Explained]
    aggregation: config.Aggregation
    n_top: int
    baseline: Sequence[Any]
    account: str

    @property
    def expected(self) -> Sequence[float]:
        """The mean score of rows without their texts, by label."""
        return [float(value) for value in np.mean([row.base for row in self.rows], axis=0)]

    def overall(self, at: int, output: int, aggregation: config.Aggregation) -> float:
        """The global value of a feature that is no free text."""
        shares = np.array([row.parts[at][0].values[output] for row in self.rows])
        return attributions.aggregated(shares[:, np.newaxis], aggregation).item()

    def strengths(self) -> dict[str, float]:
        """How much each feature that is no free text matters over all labels."""
        return {
            name: sum(self.overall(at, k, "mean_abs") for k in range(len(self.labels)))
            for at, name in enumerate(self.features)
            if self.kinds[at] != "free_text"
        }

    def top(self, output: int) -> dict[str, float]:
        """The tokens of all texts that matter most."""
        found: dict[str, float] = {}
        for at, kind in enumerate(self.kinds):
            if kind == "free_text":
                found |= wordings.top(self.rows, at, output, self.n_top)
        return dict(sorted(found.items(), key=lambda one: -one[1])[: self.n_top])

    def to_json(self) -> dict[str, Any]:
        """As in analysis.json."""
        return {
            label: {
                "global_shap_values": {
                    name: self.overall(at, k, self.aggregation)
                    for at, name in enumerate(self.features)
                    if self.kinds[at] != "free_text"
                },
                "global_top_shap_text": self.top(k),
                "expected_value": self.expected[k],
            }
            for k, label in enumerate(self.labels)
        }

    def lines(self) -> Iterator[dict[str, Any]]:
        """One document a row, as in out.jsonl."""
        for row in self.rows:
            yield {
                "explanations": [
                    {
                        "feature_name": name,
                        "data_type": kind,
                        "attributions": [_attribution(part, kind) for part in parts],
                    }
                    for name, kind, parts in zip(self.features, self.kinds, row.parts, strict=True)
                ]
            }

    def details(self) -> dict[str, Any]:
        methods = {row.method for row in self.rows}
        return {
            "method": "exact" if methods == {"exact"} else "kernel_shap",
            "account": self.account,
            "largest_standard_error": max(row.largest_error for row in self.rows),
            "baseline": "a row of analysis_config.json" if any(self.baseline) else "texts removed",
        }


def _attribution(part: wordings.Part, kind: Kind) -> dict[str, Any]:
    values = {"attribution": part.values.tolist()}
    if kind != "free_text":
        return values
    return values | {"description": {"partial_text": part.text, "start_idx": part.start}}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Results:
    """All that was found. n_records, n_requests: what the model was asked; trees: how its trees were used, or why not."""

    dataset: datasets.Dataset
    title: str
    bias: bias.Report | None
    shap: Shap | None
    texts: Texts | None
    curves: Sequence[Curve]
    n_records: int
    n_requests: int
    n_shap_records: int
    trees: str

    def to_json(self) -> dict[str, Any]:
        """analysis.json. What Clarify has no place for stands under `details`."""
        answer: dict[str, Any] = {"version": VERSION}
        if self.bias is not None:
            answer |= fairness.to_json(self.bias)
        explanations: dict[str, Any] = {}
        if self.shap is not None:
            explanations["kernel_shap"] = self.shap.to_json()
        if self.texts is not None:
            explanations["kernel_shap"] = self.texts.to_json()
        if self.curves:
            explanations["pdp"] = [curve.to_json() for curve in self.curves]
        if explanations:
            answer["explanations"] = explanations
        return answer | {"details": self._details()}

    def _details(self) -> dict[str, Any]:
        details: dict[str, Any] = {
            "n_rows": len(self.dataset.frame),
            "model_requests": self.n_requests,
            "model_records": self.n_records,
        }
        if self.shap is not None:
            found = self.shap.found
            details["shap"] = {
                "method": found.method,
                "account": found.account,
                "trees": self.trees,
                "model_records": self.n_shap_records,
                "largest_standard_error": found.largest_error,
                "baseline": self.shap.baseline_account,
            }
        if self.texts is not None:
            details["shap"] = self.texts.details() | {"model_records": self.n_shap_records}
        if self.bias is not None and self.bias.n_dropped:
            details["rows_left_out_of_bias"] = self.bias.n_dropped
        return details


def write(results: Results, folder: Path, *, save_local: bool, join: Sequence[Any] | None) -> None:
    """The files of an analysis. join: the identifier of every row, which then stands first."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(_finite(results.to_json()), indent=1, allow_nan=False)
    (folder / "analysis.json").write_text(text + "\n", encoding="utf-8")
    place = folder / "explanations_shap"
    if results.shap is not None or results.texts is not None:
        place.mkdir(exist_ok=True)
    if results.texts is not None:
        _table(place / "baseline.csv", results.texts.features, [results.texts.baseline])
    if results.texts is not None and save_local:
        with (place / "out.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(
                json.dumps(_finite(line), ensure_ascii=False) + "\n" for line in results.texts.lines()
            )
    if results.shap is None:
        return
    _table(place / "baseline.csv", results.shap.features, results.shap.baseline)
    if save_local:
        _local(place / "out.csv", results.shap, results.dataset.join, join)


def _local(path: Path, shap: Shap, join_name: str, join: Sequence[Any] | None) -> None:
    """One row a record; `<feature>_<label>`, label after label, as notebooks read it."""
    names = [f"{shap.features[at]}_{label}" for label in shap.labels for at in shap.kept]
    values = shap.found.values[:, list(shap.kept), :].transpose(0, 2, 1).reshape(len(shap.found.values), -1)
    rows = values.tolist()
    if join is not None:
        names, rows = [join_name, *names], [[one, *row] for one, row in zip(join, rows, strict=True)]
    _table(path, names, rows)


def _table(path: Path, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows(rows)


def _finite(value: Any) -> Any:
    """The value as JSON can say it: an infinite number as a text, NaN as null."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None if value != value else "Infinity" if value > 0 else "-Infinity"
    return value
