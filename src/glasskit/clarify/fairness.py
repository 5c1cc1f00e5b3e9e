"""Bias of the dataset and of the predictions, by glasskit.bias with the values that Clarify publishes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from glasskit import bias
from glasskit.bias import columns
from glasskit.clarify import config, datasets, faults

if TYPE_CHECKING:
    import pandas as pd

NO_GROUP = "Group variable is empty or not provided"
"""What Clarify itself writes where CDDL and CDDPL have no value."""

_OPTIONS = bias.Options(compat=True, flip_rows=None, interval="none", missing="drop")


def assessed(
    dataset: datasets.Dataset, asked: config.Bias, predicted: Sequence[object] | None
) -> bias.Report:
    """The metrics that are asked for. predicted: the label predicted for each row. Raises BadConfig, BadDataset."""
    facets = [_facet(dataset, facet, index) for index, facet in enumerate(asked.facets)]
    group = "" if asked.group is None else dataset.column(asked.group, "group_variable")
    wanted = [dataset.label, group, *(facet.name for facet in facets), *dataset.features]
    frame = dataset.frame[list(dict.fromkeys(filter(None, wanted)))].copy()
    name = "predicted label"
    while name in frame.columns:
        name += " "
    if predicted is not None and asked.post:
        frame[name] = datasets.series(predicted)
    try:
        return bias.assess(
            frame,
            label=bias.Label(
                dataset.label, list(asked.positive), kind=_kind(dataset.frame[dataset.label], asked.positive)
            ),
            facets=facets,
            predicted=name if name in frame.columns else None,
            group=group or None,
            metrics=[*asked.pre, *asked.post],
            options=_OPTIONS,
        )
    except bias.Unusable as exc:
        raise faults.BadDataset(f"Bias cannot be measured: {exc}.") from exc


def is_continuous(dataset: datasets.Dataset, asked: config.Bias) -> bool:
    """Whether the label is a number with a threshold, and not one of several values."""
    label = dataset.frame[dataset.label].dropna()
    declared = _kind(label, asked.positive)
    return columns.kind_of(label, asked.positive, declared, compat=True) == "continuous"


def to_json(report: bias.Report) -> dict[str, Any]:
    """The two sections of analysis.json."""
    answer = report.to_json()
    answer.pop("version")
    for stage in answer.values():
        for parts in stage["facets"].values():
            for one in (metric for part in parts for metric in part["metrics"]):
                if (
                    one["value"] is None
                    and one["name"] in ("CDDL", "CDDPL")
                    and "group variable" in one["error"]
                ):
                    one["error"] = NO_GROUP
    return answer


def _facet(dataset: datasets.Dataset, asked: config.Facet, index: int) -> bias.Facet:
    name = dataset.column(asked.column, f"facet[{index}].name_or_index")
    kind = _kind(dataset.frame[name], asked.values) if asked.values else None
    return bias.Facet(name, list(asked.values), kind=kind, together=bool(asked.values))


def _kind(values: pd.Series[Any], wanted: Sequence[object]) -> Literal["categorical"] | None:
    """Two different numbers, one of them wanted, are categories, also where they are written 0.0 and 1.0."""
    different = values.dropna().unique()[:3]
    found = columns.matching(wanted[0], [columns.plain(value) for value in different])
    return "categorical" if len(different) <= 2 and found is not None else None
