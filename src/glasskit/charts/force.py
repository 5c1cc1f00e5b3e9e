"""The force chart: what pushed one prediction up and what pushed it down, on one line, as data."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from glasskit.charts import shown, waterfall
from glasskit.explain.explanations import Attribution


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Force(shown.Shown):
    """Segments that meet at the prediction, the strongest next to it.

    raising: from the left up to the prediction; lowering: from the prediction to the right, pushing
    back. All raising together minus all lowering together is prediction minus baseline.
    """

    drawn_by: ClassVar[str] = "force"

    raising: tuple[waterfall.Step, ...]
    lowering: tuple[waterfall.Step, ...]
    chart: waterfall.Waterfall

    def as_dict(self) -> dict[str, object]:
        """The chart as JSON-ready data."""
        return dataclasses.asdict(self)


def force(attribution: Attribution, *, max_features: int = 10) -> Force:
    """The force chart of one attribution: its strongest features, the rest as one segment."""
    chart = waterfall.waterfall(attribution, max_features=max_features)
    ranked = sorted(chart.steps, key=lambda step: -abs(step.contribution))
    return Force(
        raising=tuple(step for step in ranked if step.contribution > 0),
        lowering=tuple(step for step in ranked if step.contribution < 0),
        chart=chart,
    )
