"""The waterfall: from the baseline to one prediction, one step per feature, as data."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable

from glasskit.charts import checks, shown, svg, tables
from glasskit.explain import words
from glasskit.explain.explanations import Attribution

OTHER = "other_features"


class DoesNotAddUp(ValueError):
    """The steps of a chart do not lead from its baseline to its prediction."""

    def __init__(self, *, reached: float, expected: float) -> None:
        super().__init__(f"The steps lead to {reached!r}, but the prediction's margin is {expected!r}.")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One bar: from `start_margin` to `end_margin`; `start` and `end` are the same after the link."""

    name: str
    label: str
    value_text: str
    description: str
    effect_text: str
    contribution: float
    start_margin: float
    end_margin: float
    start: float
    end: float
    members: tuple[str, ...] = ()

    @property
    def raises(self) -> bool:
        return self.contribution > 0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Waterfall(shown.Shown):
    """Steps in order from the baseline (drawn at the bottom) to the prediction (at the top)."""

    steps: tuple[Step, ...]
    base_margin: float
    margin: float
    baseline: float
    prediction: float
    baseline_text: str
    prediction_text: str
    link: str
    link_scale: float

    def drawn(self, look: shown.Look) -> str:
        """Arrows from the baseline at the bottom to the prediction at the top."""
        return svg.waterfall(self, **look.asked())

    def table(self) -> tables.Table:
        """A row per step, the strongest first."""
        return steps_table(reversed(self.steps), self.baseline_text, self.prediction_text)


def steps_table(steps: Iterable[Step], baseline_text: str, prediction_text: str) -> tables.Table:
    """Steps as a table."""
    return tables.Table(
        headings=("Feature", "Value", "SHAP value", "Effect", "Description"),
        rows=[
            (step.label, step.value_text, step.contribution, step.effect_text, step.description)
            for step in steps
        ],
        caption=f"From the baseline of {baseline_text} to the prediction of {prediction_text}.",
    )


def waterfall(attribution: Attribution, *, max_features: int = 10) -> Waterfall:
    """The waterfall of one attribution: its `max_features` strongest features, the rest as one step.

    The weakest step comes first, `other_features` before all. Raises DoesNotAddUp unless the last
    step ends at the prediction's margin.
    """
    checks.require_one_or_more(max_features)
    ranked = sorted(range(len(attribution.names)), key=lambda index: -abs(attribution.values[index]))
    strongest, rest = ranked[:max_features], ranked[max_features:]
    steps: list[Step] = []
    at = attribution.base_value
    if rest:
        steps.append(_other(attribution, rest, at))
        at = steps[-1].end_margin
    for index in reversed(strongest):
        steps.append(_step(attribution, index, at))
        at = steps[-1].end_margin
    _check(at, attribution)
    return Waterfall(
        steps=tuple(steps),
        base_margin=attribution.base_value,
        margin=attribution.margin,
        baseline=attribution.baseline,
        prediction=attribution.prediction,
        baseline_text=words.amount(attribution, attribution.baseline),
        prediction_text=words.amount(attribution, attribution.prediction),
        link=attribution.link,
        link_scale=attribution.link_scale,
    )


def _step(attribution: Attribution, index: int, at: float) -> Step:
    name, given = attribution.names[index], attribution.data[index]
    contribution = attribution.values[index]
    return Step(
        name=name,
        label=words.label(attribution, name),
        value_text="" if given is None else words.value(given),
        description=attribution.descriptions.get(name, ""),
        effect_text=words.effect(attribution, contribution),
        contribution=contribution,
        start_margin=at,
        end_margin=at + contribution,
        start=attribution.after_link(at),
        end=attribution.after_link(at + contribution),
    )


def _other(attribution: Attribution, rest: list[int], at: float) -> Step:
    contribution = math.fsum(attribution.values[index] for index in rest)
    members = tuple(attribution.names[index] for index in rest)
    return Step(
        name=OTHER,
        label=f"{len(rest)} other feature{'s' if len(rest) > 1 else ''}",
        value_text="",
        description=", ".join(words.label(attribution, name) for name in members),
        effect_text=words.effect(attribution, contribution),
        contribution=contribution,
        start_margin=at,
        end_margin=at + contribution,
        start=attribution.after_link(at),
        end=attribution.after_link(at + contribution),
        members=members,
    )


def _check(reached: float, attribution: Attribution) -> None:
    size = abs(attribution.base_value) + math.fsum(abs(value) for value in attribution.values)
    if not abs(reached - attribution.margin) <= 1e-9 * (1.0 + size):
        raise DoesNotAddUp(reached=reached, expected=attribution.margin)
