"""What a shape of a service model demands of a value, as plain data.

botocore's shapes resolve their members anew on every access; these are resolved once, so that checking a request costs
microseconds. Shapes that contain themselves are rings of these objects.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import botocore.model
import regex

from glasshouse.kernel.model import patterns


@dataclass(frozen=True, slots=True, kw_only=True)
class String:
    """Lengths are in characters."""

    name: str
    least: int = 0
    most: float = math.inf
    enum: tuple[str, ...] = ()
    pattern: str = ""
    compiled: regex.Pattern[str] | None = None
    sensitive: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """Lengths are in bytes."""

    name: str
    least: int = 0
    most: float = math.inf
    sensitive: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """`integral` is true for integer and long, whose widths are part of the bounds' defaults."""

    name: str
    integral: bool
    least: float
    most: float
    sensitive: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Boolean:
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Timestamp:
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """Any JSON value."""

    name: str


@dataclass(slots=True, kw_only=True, eq=False)
class List:
    name: str
    least: int
    most: float
    item: Rule = field(init=False, repr=False)


@dataclass(slots=True, kw_only=True, eq=False)
class Map:
    name: str
    least: int
    most: float
    key: Rule = field(init=False, repr=False)
    value: Rule = field(init=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Structure:
    """`union`: exactly one member is set."""

    name: str
    required: tuple[str, ...]
    union: bool
    members: dict[str, Rule] = field(default_factory=dict, repr=False)


Scalar = String | Blob | Number | Boolean | Timestamp
Rule = Scalar | Document | List | Map | Structure

_WIDTHS: Mapping[str, tuple[float, float]] = {
    "integer": (-(2**31), 2**31 - 1),
    "long": (-(2**63), 2**63 - 1),
    "float": (-math.inf, math.inf),
    "double": (-math.inf, math.inf),
}


def resolve(shape: botocore.model.Shape, known: dict[str, Rule]) -> Rule:
    """The shape's rule. `known` holds the rules already resolved, by shape name, and gains the new ones."""
    found = known.get(shape.name)
    if found is not None:
        return found
    if isinstance(shape, botocore.model.StructureShape):
        return _structure(shape, known)
    least, most = _size(shape)
    if isinstance(shape, botocore.model.ListShape):
        rule = List(name=shape.name, least=least, most=most)
        known[shape.name] = rule
        rule.item = resolve(shape.member, known)
        return rule
    if isinstance(shape, botocore.model.MapShape):
        mapping = Map(name=shape.name, least=least, most=most)
        known[shape.name] = mapping
        mapping.key, mapping.value = resolve(shape.key, known), resolve(shape.value, known)
        return mapping
    return known.setdefault(shape.name, _scalar(shape))


def _structure(shape: botocore.model.StructureShape, known: dict[str, Rule]) -> Rule:
    if shape.metadata.get("document"):
        return known.setdefault(shape.name, Document(name=shape.name))
    rule = Structure(
        name=shape.name,
        required=tuple(shape.required_members),
        union=bool(shape.metadata.get("union")),
    )
    known[shape.name] = rule
    for name, member in shape.members.items():
        rule.members[name] = resolve(member, known)
    return rule


def _scalar(shape: botocore.model.Shape) -> Scalar:
    kind = shape.type_name
    if kind in ("string", "character"):
        return _string(shape)
    if kind == "boolean":
        return Boolean(name=shape.name)
    if kind == "timestamp":
        return Timestamp(name=shape.name)
    sensitive = bool(shape.metadata.get("sensitive"))
    if kind == "blob":
        shortest, longest = _size(shape)
        return Blob(name=shape.name, least=shortest, most=longest, sensitive=sensitive)
    least, most = _WIDTHS[kind]
    return Number(
        name=shape.name,
        integral=kind in ("integer", "long"),
        least=shape.metadata.get("min", least),
        most=shape.metadata.get("max", most),
        sensitive=sensitive,
    )


def _string(shape: botocore.model.Shape) -> String:
    least, most = _size(shape)
    pattern = shape.metadata.get("pattern", "")
    return String(
        name=shape.name,
        least=least,
        most=most,
        enum=tuple(shape.metadata.get("enum", ())),
        pattern=pattern,
        compiled=patterns.compiled(pattern) if pattern else None,
        sensitive=bool(shape.metadata.get("sensitive")),
    )


def _size(shape: botocore.model.Shape) -> tuple[int, float]:
    return shape.metadata.get("min", 0), shape.metadata.get("max", math.inf)
