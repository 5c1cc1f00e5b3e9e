"""The table of all bias metrics."""

from __future__ import annotations

from collections.abc import Sequence

from glasskit.bias import definitions, faults, post_training, pre_training

METRICS: tuple[definitions.Metric, ...] = definitions.defined_in(pre_training, post_training)


def names(stage: definitions.Stage | None = None) -> tuple[str, ...]:
    """The short names of the metrics, of one stage or of both."""
    return tuple(metric.name for metric in METRICS if stage in (None, metric.stage))


def find(name: str) -> definitions.Metric:
    """The metric of that short name. Raises KeyError."""
    for metric in METRICS:
        if metric.name == name:
            return metric
    raise KeyError(name)


def chosen(
    wanted: Sequence[str] | None, stages: Sequence[definitions.Stage]
) -> tuple[definitions.Metric, ...]:
    """The metrics of those names, in the table's order; all of the stages for None. Raises Unusable."""
    if wanted is None:
        return tuple(metric for metric in METRICS if metric.stage in stages)
    known = names()
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise faults.Unusable(f"there is no bias metric {unknown[0]!r}; there are {', '.join(known)}")
    return tuple(metric for metric in METRICS if metric.name in wanted)
