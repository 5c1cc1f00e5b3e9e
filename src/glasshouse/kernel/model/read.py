"""Checks a request against the service model and turns it into Python values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from glasshouse.kernel import errors
from glasshouse.kernel.model import rules, scalars, sentences, services

EMPTY_MEANS_ABSENT = frozenset({"NextToken", "nextToken"})
"""Top-level members whose empty string counts as absent: SDK v3 asks for its first page with NextToken ""."""

_DEEPEST = 64


def read(
    service: services.Service, operation: str, body: Mapping[str, Any], *, patterns: bool = True
) -> dict[str, Any]:
    """The request as Python values: timestamps as aware datetimes, blobs as bytes, nulls dropped.

    `patterns=False` skips regular expressions and nothing else. Raises errors.Validation telling every problem at
    once, and KeyError when the service has no such operation.
    """
    given = {k: v for k, v in body.items() if not (v == "" and k in EMPTY_MEANS_ABSENT)}
    return checked(service.input(operation), given, patterns=patterns)


def checked(rule: rules.Structure, value: Mapping[str, Any], *, patterns: bool = True) -> dict[str, Any]:
    """Any structure of a model, read as a request is. Raises errors.Validation."""
    reading = _Reading(patterns=patterns)
    result: dict[str, Any] = reading.structure(rule, value, "", 0)
    if reading.problems.count:
        raise errors.Validation(reading.problems.sentence())
    return result


class _Reading:
    """One request being read. Methods return the Python value, or None after noting what is wrong with it."""

    def __init__(self, *, patterns: bool) -> None:
        self.problems = sentences.Problems()
        self._patterns = patterns

    def structure(self, rule: rules.Structure, value: Any, at: str, depth: int) -> Any:
        if not isinstance(value, Mapping):
            return self.problems.add(at, rule, value, "Member must be a structure")
        if depth > _DEEPEST:
            return self.problems.add(at, rule, {}, f"Member must not be nested deeper than {_DEEPEST} levels")
        for name in rule.required:
            if value.get(name) is None:
                self.problems.add_missing(sentences.member(at, name))
        result: dict[str, Any] = {}
        for name, given in value.items():
            if given is None:
                continue
            member = rule.members.get(name)
            if member is None:
                self.problems.add(sentences.member(at, str(name)), rule, name, "Member is unknown")
            else:
                result[name] = self._value(member, given, sentences.member(at, name), depth + 1)
        if rule.union and len(result) != 1:
            wanted = f"Exactly one of [{', '.join(rule.members)}] must be set"
            self.problems.add(at, rule, list(result), wanted)
        return result

    def _value(self, rule: rules.Rule, value: Any, at: str, depth: int) -> Any:
        if isinstance(rule, rules.Structure):
            return self.structure(rule, value, at, depth)
        if isinstance(rule, rules.List):
            return self._list(rule, value, at, depth)
        if isinstance(rule, rules.Map):
            return self._map(rule, value, at, depth)
        if isinstance(rule, rules.Document):
            return value
        return self._scalar(rule, value, at)

    def _list(self, rule: rules.List, value: Any, at: str, depth: int) -> Any:
        if not isinstance(value, (list, tuple)):
            return self.problems.add(at, rule, value, "Member must be a list")
        self._length(rule, value, at)
        return self._items(rule.item, value, value, at, depth, "Member must satisfy constraint")

    def _map(self, rule: rules.Map, value: Any, at: str, depth: int) -> Any:
        if not isinstance(value, Mapping):
            return self.problems.add(at, rule, value, "Member must be a map")
        given = {k: v for k, v in value.items() if v is not None}
        self._length(rule, given, at)
        keys = self._items(rule.key, list(given), given, at, depth, "Map keys must satisfy constraint")
        values = self._items(
            rule.value, list(given.values()), given, at, depth, "Map value must satisfy constraint"
        )
        return dict(zip(keys, values, strict=True))

    def _length(self, rule: rules.List | rules.Map, value: Any, at: str) -> None:
        if len(value) < rule.least:
            self.problems.add(at, rule, value, sentences.at_least(rule, rule.least))
        elif len(value) > rule.most:
            self.problems.add(at, rule, value, sentences.at_most(rule, rule.most))

    def _items(
        self, rule: rules.Rule, items: Sequence[Any], whole: object, at: str, depth: int, what: str
    ) -> list[Any]:
        """Members of a list or map. Scalars that break a constraint get one sentence naming all of them, as in AWS."""
        if not isinstance(rule, rules.Scalar):
            return [self._value(rule, item, f"{at}.{i}.member", depth + 1) for i, item in enumerate(items, 1)]
        result: list[Any] = []
        is_broken = False
        for i, item in enumerate(items, 1):
            try:
                value = scalars.parsed(rule, item)
            except scalars.WrongType as wrong:
                self.problems.add(f"{at}.{i}.member", rule, item, str(wrong))
                value = None
            else:
                is_broken = is_broken or bool(scalars.broken(rule, value, patterns=self._patterns))
            result.append(value)
        if is_broken:
            self.problems.add(at, rule, whole, f"{what}: {sentences.constraints(rule)}")
        return result

    def _scalar(self, rule: rules.Scalar, value: Any, at: str) -> Any:
        try:
            result = scalars.parsed(rule, value)
        except scalars.WrongType as wrong:
            return self.problems.add(at, rule, value, str(wrong))
        for constraint in scalars.broken(rule, result, patterns=self._patterns):
            self.problems.add(at, rule, value, constraint)
        return result
