"""Charts as data, and the renderers that draw them: red raises, green lowers, and the values add up."""

from glasskit.charts import (
    cohorts,
    counterfactual,
    decision,
    dependence,
    force,
    images,
    interaction,
    page,
    report,
    shown,
    summary,
    svg,
    texts,
    waterfall,
)
from glasskit.charts.axes import Axis

__all__ = [
    "Axis",
    "cohorts",
    "counterfactual",
    "decision",
    "dependence",
    "force",
    "images",
    "interaction",
    "page",
    "report",
    "shown",
    "summary",
    "svg",
    "texts",
    "waterfall",
]
