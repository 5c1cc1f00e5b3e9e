"""Charts as stand-alone SVG: no script, no style sheet, no outside reference; readable in black and white."""

from glasskit.charts.svg.cohorts import cohorts
from glasskit.charts.svg.counterfactual import counterfactual
from glasskit.charts.svg.decision import decision
from glasskit.charts.svg.dependence import dependence
from glasskit.charts.svg.force import force
from glasskit.charts.svg.images import overlay
from glasskit.charts.svg.interaction import heat_map
from glasskit.charts.svg.summary import bar, beeswarm
from glasskit.charts.svg.texts import highlighted
from glasskit.charts.svg.waterfall import waterfall

__all__ = [
    "bar",
    "beeswarm",
    "cohorts",
    "counterfactual",
    "decision",
    "dependence",
    "force",
    "heat_map",
    "highlighted",
    "overlay",
    "waterfall",
]
