"""A case before and after a change, side by side, as data."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from glasskit.charts import checks, shown, svg, tables
from glasskit.charts.waterfall import OTHER
from glasskit.explain import words
from glasskit.explain.explanations import Attribution


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One feature's contribution before and after; old_text and new_text differ if its value changes."""

    name: str
    label: str
    description: str
    old_text: str
    new_text: str
    is_changed: bool
    before: float
    after: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SideBySide(shown.Shown):
    """Pairs: what changes first, then what moves most; the rest as one, so that both sides add up."""

    pairs: tuple[Pair, ...]
    before_text: str
    after_text: str
    before_margin: float
    after_margin: float
    base_margin: float
    link: str
    link_scale: float

    def drawn(self, look: shown.Look) -> str:
        """Arrows from the middle, before (hatched) and after (solid)."""
        return svg.counterfactual(self, **look.asked())

    def table(self) -> tables.Table:
        """A row per pair."""
        return tables.Table(
            headings=("Feature", "Value before", "Value after", "SHAP before", "SHAP after", "Moved by"),
            rows=[
                (
                    *(pair.label, pair.old_text, pair.new_text),
                    *(pair.before, pair.after, pair.after - pair.before),
                )
                for pair in self.pairs
            ],
            caption=f"{self.before_text} before, {self.after_text} after.",
        )


def side_by_side(
    before: Attribution,
    after: Attribution,
    *,
    changes: Mapping[str, tuple[object, object]] | None = None,
    max_features: int = 10,
) -> SideBySide:
    """Two attributions of one model and the same features; changes: name -> (old, new), found if None.

    Changes that are given are all shown; of those that are found, at most `max_features`.
    """
    if tuple(before.names) != tuple(after.names):
        raise ValueError("before and after have different features")
    if abs(before.base_value - after.base_value) > 1e-9 * (1.0 + abs(before.base_value)):
        raise ValueError("before and after start at different base values")
    old = dict(zip(before.names, before.data, strict=True))
    new = dict(zip(after.names, after.data, strict=True))
    known = changes if changes is not None else _found(old, new)
    unknown = [name for name in known if name not in old]
    if unknown:
        raise ValueError(f"{unknown[0]!r} changes, but is not one of the features")
    values = dict(zip(before.names, zip(before.values, after.values, strict=True), strict=True))
    ranked = sorted(before.names, key=lambda name: (name not in known, -_size(*values[name])))
    checks.require_one_or_more(max_features)
    n_shown = max_features if changes is None else max(max_features, len(known))
    pairs = [
        Pair(
            name=name,
            label=words.label(before, name),
            description=before.descriptions.get(name, ""),
            old_text=_text(known[name][0] if name in known else old[name]),
            new_text=_text(known[name][1] if name in known else new[name]),
            is_changed=name in known,
            before=values[name][0],
            after=values[name][1],
        )
        for name in ranked[:n_shown]
    ]
    rest = ranked[n_shown:]
    if rest:
        pairs.append(_rest(rest, values, n_changed=sum(name in known for name in rest)))
    return SideBySide(
        pairs=tuple(pairs),
        before_text=words.amount(before, before.prediction),
        after_text=words.amount(after, after.prediction),
        before_margin=before.margin,
        after_margin=after.margin,
        base_margin=before.base_value,
        link=before.link,
        link_scale=before.link_scale,
    )


def _rest(names: list[str], values: Mapping[str, tuple[float, float]], *, n_changed: int) -> Pair:
    told = f"{len(names)} other feature{'s' if len(names) > 1 else ''}"
    return Pair(
        name=OTHER,
        label=f"{told}, {n_changed} of them changed" if n_changed else told,
        description=", ".join(words.readable(name) for name in names),
        old_text="",
        new_text="",
        is_changed=False,
        before=sum(values[name][0] for name in names),
        after=sum(values[name][1] for name in names),
    )


def _found(old: Mapping[str, object], new: Mapping[str, object]) -> dict[str, tuple[object, object]]:
    return {name: (old[name], new[name]) for name in old if words.value(old[name]) != words.value(new[name])}


def _size(before: float, after: float) -> float:
    return max(abs(before), abs(after), abs(after - before))


def _text(value: object) -> str:
    return "" if value is None else words.value(value)
