"""What a chart of many rows needs, said with the row and the feature that lack it."""

from __future__ import annotations

import numpy as np

from glasskit.explain.explanations import Explanation


def require_rows(explanation: Explanation, chart: str) -> None:
    """Raises ValueError unless the explanation holds rows of one output, all of them finite numbers."""
    if explanation.values.ndim != 2:
        raise ValueError("choose one output with .output(k) first")
    if not len(explanation):
        raise ValueError(f"a {chart} needs at least one row")
    wrong = ~np.isfinite(explanation.values)
    if wrong.any():
        row, at = (int(index) for index in np.argwhere(wrong)[0])
        raise ValueError(
            f"the contribution of {explanation.feature_names[at]!r} in row {row} is "
            f"{explanation.values[row, at]}; a {chart} needs finite numbers"
        )


def require_one_or_more(max_features: int) -> None:
    """Raises ValueError unless at least one feature is to be shown."""
    if max_features < 1:
        raise ValueError(f"max_features is {max_features}, but a chart needs at least one")
