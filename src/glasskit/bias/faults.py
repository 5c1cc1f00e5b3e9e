"""What can be wrong with a question about bias.

ValueError
├── Undefined       the metric has no value for these rows, and the message says why
└── DataFault
    └── Unusable    a column or a row cannot be used, and the message names it
"""

from __future__ import annotations

from glasskit.data import faults


class Undefined(ValueError):
    """The metric has no value for these rows."""


class Unusable(faults.DataFault):
    """A column or a row of the table cannot be used; the message names it."""
