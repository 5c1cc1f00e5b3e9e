"""From an application to the model's features: validate, one-hot encode, name and describe. All as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np
import numpy.typing as npt

LEVEL = "__"

Row = Mapping[str, Any]
Schema = dict[str, Any]


class InvalidApplication(ValueError):
    """An application that the model cannot take; the message names the field."""

    def __init__(self, *, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field


def names_of(schema: Schema) -> list[str]:
    """The fields of an array schema, in their order."""
    return [item["title"] for item in schema["items"]]


def validate(row: object, schema: Schema) -> dict[str, Any]:
    """The application with its fields in the schema's order. Raises InvalidApplication."""
    if not isinstance(row, dict):
        raise InvalidApplication(field="application", problem=f"expected a JSON object, got {_named(row)}")
    unknown = [name for name in row if name not in names_of(schema)]
    if unknown:
        raise InvalidApplication(field=unknown[0], problem="the model has no such field")
    valid = {}
    for item in schema["items"]:
        name = item["title"]
        if name not in row:
            raise InvalidApplication(field=name, problem="the field is missing")
        if not _is(item["type"], row[name]):
            raise InvalidApplication(field=name, problem=f"expected {item['type']}, got {_named(row[name])}")
        valid[name] = row[name]
    return valid


def _is(kind: str, value: object) -> bool:
    match kind:
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return _is_number(value) and value == math.floor(value)
        case _:
            return _is_number(value)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _named(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """Numbers as they are, then one column per known category: 1.0 where the value is that category.

    A category that was not seen when the encoder was fitted is 0.0 in every column of its field, as
    scikit-learn's OneHotEncoder(handle_unknown="ignore") has it.
    """

    numeric: tuple[str, ...]
    categories: dict[str, tuple[str, ...]]

    @classmethod
    def fit(cls, rows: Iterable[Row], schema: Schema) -> Encoder:
        """Learns the categories of the text fields, in alphabetical order."""
        rows = list(rows)
        texts = [item["title"] for item in schema["items"] if item["type"] == "string"]
        return cls(
            numeric=tuple(name for name in names_of(schema) if name not in texts),
            categories={name: tuple(sorted({row[name] for row in rows})) for name in texts},
        )

    @property
    def names(self) -> list[str]:
        """The names of the columns: `field`, or `field__category`."""
        one_hot = [f"{name}{LEVEL}{value}" for name, values in self.categories.items() for value in values]
        return [*self.numeric, *one_hot]

    def transform(self, rows: Sequence[Row]) -> npt.NDArray[np.float64]:
        """One line per row, one column per feature."""
        return np.array([self._line(row) for row in rows], dtype=np.float64).reshape(
            len(rows), len(self.names)
        )

    def _line(self, row: Row) -> list[float]:
        line = [float(row[name]) for name in self.numeric]
        for name, values in self.categories.items():
            line.extend(float(row[name] == value) for value in values)
        return line

    def fields(self) -> dict[str, str]:
        """The field that each feature comes from."""
        own = {name: name for name in self.numeric}
        return own | {
            f"{name}{LEVEL}{value}": name for name, values in self.categories.items() for value in values
        }

    def schema(self, data: Schema) -> Schema:
        """The features as an array schema, described from the fields they come from."""
        texts = {item["title"]: item["description"] for item in data["items"]}
        items = [_item(name, texts[name]) for name in self.numeric]
        for name, values in self.categories.items():
            for value in values:
                text = f"{texts[name].rstrip('.')} is '{value}' if value is 1.0."
                items.append(_item(f"{name}{LEVEL}{value}", text))
        return {**data, "items": items, "minItems": len(items), "maxItems": len(items)}

    def save(self, path: Path) -> None:
        """Writes the encoder as JSON."""
        document = {"numeric": self.numeric, "categories": self.categories, "features": self.names}
        path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Encoder:
        """Reads what `save` wrote."""
        document = json.loads(path.read_text(encoding="utf-8"))
        return cls(
            numeric=tuple(document["numeric"]),
            categories={name: tuple(values) for name, values in document["categories"].items()},
        )


def _item(name: str, description: str) -> Schema:
    return {"title": name, "type": "number", "description": description}
