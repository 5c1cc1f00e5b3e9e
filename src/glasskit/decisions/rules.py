"""What turns a prediction into an outcome: a threshold, or a policy that gives reasons too."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Literal

Side = Literal["above", "below"]


class RuleInvalid(ValueError):
    """A rule that cannot be read; the text names the member."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Predictions strictly on the adverse side of the threshold are adverse.

    policy: a decision policy (`explain.policies`, TOML); it then says threshold and side, and gives reasons.
    baseline: the baseline that such a policy declares (`explain.reasons.Baseline.as_dict`), None for the model's own.
    """

    threshold: float | None = None
    adverse: Side = "above"
    adverse_name: str = "adverse"
    favourable_name: str = "favourable"
    policy: str = ""
    baseline: Mapping[str, object] | None = None

    def outcome(self, prediction: float) -> str:
        """The name of the outcome; "" without a threshold."""
        if self.threshold is None:
            return ""
        is_above = prediction > self.threshold
        is_below = prediction < self.threshold
        is_adverse = is_above if self.adverse == "above" else is_below
        return self.adverse_name if is_adverse else self.favourable_name

    def as_dict(self) -> dict[str, object]:
        """JSON-ready."""
        return dataclasses.asdict(self)

    @classmethod
    def read(cls, content: Mapping[str, object]) -> Rule:
        """Raises RuleInvalid naming the member."""
        known = {field.name for field in dataclasses.fields(cls)}
        for name in content:
            if name not in known:
                raise RuleInvalid(f"a rule has no member {name!r}; known are {', '.join(sorted(known))}")
        adverse = content.get("adverse", "above")
        if adverse not in ("above", "below"):
            raise RuleInvalid(f"adverse is {adverse!r}, not 'above' or 'below'")
        baseline = content.get("baseline")
        if baseline is not None and not isinstance(baseline, Mapping):
            raise RuleInvalid("baseline is not an object")
        return cls(
            threshold=_threshold(content.get("threshold")),
            adverse=adverse,
            adverse_name=_name(content, "adverse_name", "adverse"),
            favourable_name=_name(content, "favourable_name", "favourable"),
            policy=_text(content.get("policy", ""), "policy"),
            baseline=baseline,
        )


def _threshold(given: object) -> float | None:
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, int | float) or not math.isfinite(given):
        raise RuleInvalid(f"threshold is {given!r}, not a number")
    return float(given)


def _name(content: Mapping[str, object], member: str, default: str) -> str:
    text = _text(content.get(member, default), member)
    if not text:
        raise RuleInvalid(f"{member} is empty")
    return text


def _text(given: object, member: str) -> str:
    if not isinstance(given, str):
        raise RuleInvalid(f"{member} is not a text")
    return given
