"""Quality metrics of models, by name: `metrics.find("f1_macro").of(label, predicted)`."""

from __future__ import annotations

from glasskit.metrics.quality import Metric, find, names

__all__ = ["Metric", "find", "names"]
