"""What an applicant can change, and at what cost. Columns that no lever names never change.

A lever is one thing that can be done: a number that moves (with steps, a range, a direction, and
other columns that move along), or a choice between options that each set several columns (one-hot
fields, or fields that only change together). Staying as one is costs nothing and is always allowed;
ranges bind only what changes.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Literal

Direction = Literal["any", "up", "down"]


class LeverInvalid(ValueError):
    """A lever that contradicts itself, the model, or another lever."""

    def __init__(self, lever: str, problem: str) -> None:
        super().__init__(f"The lever {lever!r} {problem}.")
        self.lever = lever


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A column that can take other values.

    low, high: what it may become. step: only multiples of it, if given. direction: one-way fields.
    moves: columns that move along, by this many units for one unit of the column.
    missing_cost: the cost of giving a value where there is none; without it a missing value stays.
    """

    column: str
    low: float = -math.inf
    high: float = math.inf
    step: float | None = None
    direction: Direction = "any"
    cost_per_unit: float = 1.0
    fixed_cost: float = 0.0
    moves: Mapping[str, float] = dataclasses.field(default_factory=dict)
    missing_cost: float | None = None

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise LeverInvalid(self.column, f"has the empty range {self.low} to {self.high}")
        if self.step is not None and not 0 < self.step < math.inf:
            raise LeverInvalid(self.column, f"has the step {self.step}")
        if self.direction not in ("any", "up", "down"):
            raise LeverInvalid(self.column, f"has the direction {self.direction!r}")
        if not (0 <= self.cost_per_unit < math.inf and 0 <= self.fixed_cost < math.inf):
            raise LeverInvalid(self.column, "has a cost that is negative or not finite")
        if not self.cost_per_unit + self.fixed_cost > 0:
            raise LeverInvalid(self.column, "costs nothing, so no change would be nearer than another")
        if self.missing_cost is not None and not 0 < self.missing_cost < math.inf:
            raise LeverInvalid(self.column, f"has the missing_cost {self.missing_cost}")
        if self.column in self.moves or not all(map(math.isfinite, self.moves.values())):
            raise LeverInvalid(self.column, f"moves {dict(self.moves)}")

    @property
    def name(self) -> str:
        return self.column

    @property
    def columns(self) -> tuple[str, ...]:
        return self.column, *self.moves

    def cost(self, old: float, new: float) -> float:
        """What moving from one value to another costs."""
        return self.fixed_cost + self.cost_per_unit * abs(new - old)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A choice between options; each sets the same columns to values of its own.

    costs: what it costs to come to an option; all cost 1 if not given. direction: along the order of
    the options, for one-way fields like a degree.
    """

    name: str
    options: Mapping[str, Mapping[str, float]]
    costs: Mapping[str, float] = dataclasses.field(default_factory=dict)
    direction: Direction = "any"

    def __post_init__(self) -> None:
        if not self.options or not self.columns:
            raise LeverInvalid(self.name, "has no options")
        if any(set(values) != set(self.columns) for values in self.options.values()):
            raise LeverInvalid(self.name, "has options that set different columns")
        if self.direction not in ("any", "up", "down"):
            raise LeverInvalid(self.name, f"has the direction {self.direction!r}")
        unknown = set(self.costs) - set(self.options)
        if unknown:
            raise LeverInvalid(self.name, f"has a cost for {sorted(unknown)[0]!r}, which is no option")
        if not all(0 < cost < math.inf for cost in self.costs.values()):
            raise LeverInvalid(self.name, "has a cost that is not positive and finite")

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(next(iter(self.options.values()), {}))

    def cost(self, option: str) -> float:
        """What coming to an option costs."""
        return self.costs.get(option, 1.0)

    @classmethod
    def one_hot(
        cls,
        field: str,
        feature_names: Sequence[str],
        *,
        options: Sequence[str] | None = None,
        costs: Mapping[str, float] | None = None,
        direction: Direction = "any",
    ) -> Choice:
        """The choice of a category of a one-hot field; options: those that may be chosen (all if None)."""
        columns = [name for name in feature_names if name.startswith(field + "__")]
        categories = [name.removeprefix(field + "__") for name in columns]
        chosen = categories if options is None else list(options)
        absent = [category for category in chosen if category not in categories]
        if absent:
            raise LeverInvalid(field, f"has the option {absent[0]!r}, which has no column")
        return cls(
            name=field,
            options={
                category: {
                    column: float(other == category)
                    for column, other in zip(columns, categories, strict=True)
                }
                for category in chosen
            },
            costs=costs or {},
            direction=direction,
        )


Lever = Number | Choice


def require_apart(levers: Sequence[Lever], feature_names: Sequence[str]) -> None:
    """Raises LeverInvalid if a lever names an unknown column, or two levers set the same one."""
    owner: dict[str, str] = {}
    for lever in levers:
        for column in lever.columns:
            if column not in feature_names:
                raise LeverInvalid(lever.name, f"sets {column!r}, which is no column of the model")
            if column in owner:
                raise LeverInvalid(lever.name, f"sets {column!r}, and so does {owner[column]!r}")
            owner[column] = lever.name
