"""Hypothesis strategies for the Python values that a shape of a service model allows."""

from __future__ import annotations

import datetime as dt
import functools
import math
import re
from typing import Any

import hypothesis.strategies as st

from glasshouse.kernel.model import patterns, rules

_FIRST, _LAST = dt.datetime(1970, 1, 2), dt.datetime(2100, 1, 1)
_LONGEST, _MOST_ITEMS, _MOST_OPTIONAL = 40, 2, 5
_ASCII_FOR = {"L": "a-zA-Z", "M": "", "N": "0-9", "P": "!", "S": "+", "Z": " ", "Zs": " "}

Value = Any


def values(rule: rules.Rule, *, depth: int = 5) -> st.SearchStrategy[Value]:
    """Values that the rule allows, as kernel.model.read gives them. Optional members end at `depth`."""
    if isinstance(rule, rules.Structure):
        return _structures(rule, depth)
    if isinstance(rule, rules.List):
        size = _sizes(rule, _MOST_ITEMS if depth > 0 else 0)
        return st.lists(values(rule.item, depth=depth - 1), min_size=size[0], max_size=size[1])
    if isinstance(rule, rules.Map):
        size = _sizes(rule, _MOST_ITEMS if depth > 0 else 0)
        return st.dictionaries(
            values(rule.key, depth=depth - 1),
            values(rule.value, depth=depth - 1),
            min_size=size[0],
            max_size=size[1],
        )
    if isinstance(rule, rules.Document):
        return st.dictionaries(st.text(max_size=3), st.integers(-9, 9), max_size=2)
    return _scalars(rule)


@st.composite
def _structures(draw: st.DrawFn, rule: rules.Structure, depth: int) -> dict[str, Value]:
    names = list(rule.required)
    if rule.union:
        names = [draw(st.sampled_from(sorted(rule.members, key=lambda n: _reach(rule.members[n]))[:3]))]
    elif depth > 0:
        optional = [name for name in rule.members if name not in rule.required]
        if optional:
            names += draw(st.lists(st.sampled_from(optional), max_size=_MOST_OPTIONAL, unique=True))
    return {name: draw(values(rule.members[name], depth=depth - 1)) for name in names}


def _reach(rule: rules.Rule) -> int:
    """How much a value of the rule drags along, roughly; keeps unions from recursing."""
    return len(rule.members) if isinstance(rule, rules.Structure) else 0


def _sizes(rule: rules.List | rules.Map, most: int) -> tuple[int, int]:
    least = rule.least
    return least, int(min(max(least, most), rule.most))


@functools.cache
def _scalars(rule: rules.Scalar) -> st.SearchStrategy[Value]:
    if isinstance(rule, rules.String):
        return _strings(rule)
    if isinstance(rule, rules.Boolean):
        return st.booleans()
    if isinstance(rule, rules.Timestamp):
        return st.datetimes(_FIRST, _LAST, timezones=st.just(dt.UTC))
    if isinstance(rule, rules.Blob):
        return st.binary(min_size=rule.least, max_size=int(min(rule.most, rule.least + _LONGEST)))
    if rule.integral:
        return st.integers(int(rule.least), int(rule.most))
    bounds = {"min_value": rule.least, "max_value": rule.most}
    return st.floats(**{k: v for k, v in bounds.items() if math.isfinite(v)}, allow_nan=False, width=64)


def _strings(rule: rules.String) -> st.SearchStrategy[str]:
    if rule.enum:
        return st.sampled_from(rule.enum)
    longest = int(min(rule.most, max(rule.least, _LONGEST)))
    if rule.compiled is None:
        return st.text(st.characters(codec="utf-8"), min_size=rule.least, max_size=longest)
    compiled = rule.compiled
    if compiled.fullmatch("Aa0" * rule.least or "Aa0"):
        alphabet = st.sampled_from("Aa0" + ("-" if compiled.fullmatch("A-a") else ""))
        return st.text(alphabet, min_size=max(rule.least, 1), max_size=longest).filter(compiled.fullmatch)
    return (
        st.from_regex(re.compile(_ascii(rule.pattern)), fullmatch=True)
        .map(lambda text: text + (text[-1:] or "0") * (rule.least - len(text)))
        .filter(lambda text: len(text) <= rule.most and compiled.fullmatch(text))
    )


def _ascii(pattern: str) -> str:
    """The pattern for Python's `re`: an ASCII part of each Unicode class, short repetitions, no length assertion."""
    text = patterns.translated(pattern).replace(r"\U00010000-\U0010ffff", "").replace(r"\U0010ffff", "~")
    text = re.sub(r"\\p\{(\w+)\}", lambda found: _ASCII_FOR[found.group(1)], text)
    text = re.sub(r"^\(\?=[^()]*\)", "", text)
    return re.sub(r"\{(\d+),(\d+)\}", _shortened, text)


def _shortened(found: re.Match[str]) -> str:
    least, most = int(found.group(1)), int(found.group(2))
    return f"{{{least},{min(most, max(least, _LONGEST))}}}"
