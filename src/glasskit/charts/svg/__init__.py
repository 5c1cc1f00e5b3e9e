"""Charts as stand-alone SVG: no script, no style sheet, no outside reference; readable in black and white."""

from glasskit.charts.svg.interaction import heat_map
from glasskit.charts.svg.summary import bar, beeswarm
from glasskit.charts.svg.waterfall import waterfall

__all__ = ["bar", "beeswarm", "heat_map", "waterfall"]
