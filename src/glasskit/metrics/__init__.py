"""Quality metrics of models.

`find("f1_macro").of(label, predicted)` is one by its name; `binary(label, score=score).values` all that fit a problem of
two classes, under Model Monitor's names, as `multiclass` and `regression` do; `roc` and `precision_recall` are curves.
"""

from __future__ import annotations

from glasskit.metrics.confusion import Confusion
from glasskit.metrics.curves import PrecisionRecall, Roc, precision_recall, roc
from glasskit.metrics.problems import Evaluation, binary, multiclass, regression
from glasskit.metrics.quality import Metric, Undefined, find, names

__all__ = [
    "Confusion",
    "Evaluation",
    "Metric",
    "PrecisionRecall",
    "Roc",
    "Undefined",
    "binary",
    "find",
    "multiclass",
    "names",
    "precision_recall",
    "regression",
    "roc",
]
