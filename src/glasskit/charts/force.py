"""The force chart: what pushed one prediction up and what pushed it down, on one line, as data."""

from __future__ import annotations

import dataclasses

from glasskit.charts import shown, svg, tables, waterfall
from glasskit.explain.explanations import Attribution


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Force(shown.Shown):
    """Segments that meet at the prediction, the strongest next to it.

    raising: from the left up to the prediction; lowering: from the prediction to the right, pushing
    back. All raising together minus all lowering together is prediction minus baseline.
    """

    raising: tuple[waterfall.Step, ...]
    lowering: tuple[waterfall.Step, ...]
    chart: waterfall.Waterfall

    def drawn(self, look: shown.Look) -> str:
        """Arrows on one line that meet at the prediction."""
        return svg.force(self, **look.asked())

    def table(self) -> tables.Table:
        """A row per segment, the strongest first."""
        steps = sorted([*self.raising, *self.lowering], key=lambda step: -abs(step.contribution))
        return waterfall.steps_table(steps, self.chart.baseline_text, self.chart.prediction_text)


def force(attribution: Attribution, *, max_features: int = 10) -> Force:
    """The force chart of one attribution: its strongest features, the rest as one segment."""
    chart = waterfall.waterfall(attribution, max_features=max_features)
    ranked = sorted(chart.steps, key=lambda step: -abs(step.contribution))
    return Force(
        raising=tuple(step for step in ranked if step.contribution > 0),
        lowering=tuple(step for step in ranked if step.contribution < 0),
        chart=chart,
    )
