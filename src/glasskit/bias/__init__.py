"""Bias of data and models: 21 metrics with their confidence intervals, a report, and two ways to lessen bias.

    report = bias.assess(table, label=bias.Label("default", [0]), facets=bias.Facet("gender", ["female"]))
    print(report.summary())

`from_table` reads a CSV or Parquet file; `split` and `find("DPL").of(...)` are for arrays; `reweighing` gives training
weights, `optimise` thresholds.
"""

from __future__ import annotations

from glasskit.bias.assessment import assess
from glasskit.bias.catalogue import find, names
from glasskit.bias.counts import Flips, Side, Split, split
from glasskit.bias.definitions import Metric
from glasskit.bias.estimates import Interval
from glasskit.bias.faults import Undefined, Unusable
from glasskit.bias.files import from_table, parse_facet
from glasskit.bias.questions import Facet, Label, Options
from glasskit.bias.reports import FacetResult, Report, Result
from glasskit.bias.reweighing import reweighing
from glasskit.bias.statistics import Statistics
from glasskit.bias.thresholds import Thresholds, optimise

__all__ = [
    "Facet",
    "FacetResult",
    "Flips",
    "Interval",
    "Label",
    "Metric",
    "Options",
    "Report",
    "Result",
    "Side",
    "Split",
    "Statistics",
    "Thresholds",
    "Undefined",
    "Unusable",
    "assess",
    "find",
    "from_table",
    "names",
    "optimise",
    "parse_facet",
    "reweighing",
    "split",
]
