"""What a bias metric is: one function under `@metric(...)`, which makes it a row of the table."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Literal

from glasskit.bias import counts, estimates

Stage = Literal["pre_training", "post_training"]
Definition = Callable[[counts.Split], estimates.Estimate]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A bias metric. It may be called with a split and answers an estimate; `of` answers the number alone.

    range: the least and the greatest value. neutral: the value that shows no difference between the facets.
    swapped: what becomes of the value when the facets change places, where there is a law. turned: smclarify's value,
    which `compat` gives, has the opposite sign.
    """

    name: str
    title: str
    stage: Stage
    range: tuple[float, float]
    definition: Definition
    neutral: float = 0.0
    swapped: Literal["negated", "same", "inverse", "no law"] = "no law"
    above: str = ""
    below: str = ""
    turned: bool = False

    def __call__(self, split: counts.Split) -> estimates.Estimate:
        return self.definition(split)

    def of(self, split: counts.Split) -> float:
        """The value. Raises Undefined."""
        return float(self.definition(split).value)

    @property
    def description(self) -> str:
        """Title and short name, as Clarify writes them."""
        return f"{self.title} ({self.name})"

    @property
    def formula(self) -> str:
        """The first line of the metric's docstring."""
        return (inspect.getdoc(self.definition) or "").splitlines()[0]


def metric(
    name: str,
    title: str,
    *,
    stage: Stage,
    range: tuple[float, float],
    neutral: float = 0.0,
    swapped: Literal["negated", "same", "inverse", "no law"] = "no law",
    above: str = "",
    below: str = "",
    turned: bool = False,
) -> Callable[[Definition], Metric]:
    """Makes a function a metric. above, below: what a value beyond the neutral one says, in words.

    turned: smclarify gives the value the opposite sign.
    """

    def mark(definition: Definition) -> Metric:
        return Metric(
            name=name,
            title=title,
            stage=stage,
            range=range,
            definition=definition,
            neutral=neutral,
            swapped=swapped,
            above=above,
            below=below,
            turned=turned,
        )

    return mark


def defined_in(*modules: ModuleType) -> tuple[Metric, ...]:
    """The metrics of the modules, in the order they stand there."""
    return tuple(value for module in modules for value in vars(module).values() if isinstance(value, Metric))
