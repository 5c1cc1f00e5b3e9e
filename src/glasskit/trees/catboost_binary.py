"""CatBoost's binary model (.cbm) -> the document that its JSON model would be. Nothing of it is executed.

The file is "CBM1", the length of the core, the core, and parts that only models with target statistics
need. The core is a FlatBuffer (google.github.io/flatbuffers, "Internals"): a table is a place whose
first number leads back to a list of where its members lie, and members that are long lie elsewhere.
Members are known by their number in CatBoost's schema (catboost/libs/model/flatbuffers/model.fbs).
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from glasskit.trees import errors

MAGIC = b"CBM1"
_FORMAT = "CatBoost binary"
_VERSION = "FlabuffersModel_v1"  # CatBoost's own spelling
_NAN_TREATMENTS = ("AsIs", "AsFalse", "AsTrue")
_NO_LEAF = 0xFFFFFFFF
_DEEPEST = 16

_CORE_VERSION, _CORE_TREES, _CORE_INFO = range(3)
_DIMENSION, _SPLITS, _SIZES, _STARTS, _CATEGORICAL, _FLOATS, _ONE_HOT, _CTRS, _VALUES, _WEIGHTS = range(10)
_STEPS, _LEAF_OF_NODE, _TEXTS, _ESTIMATED, _SCALE, _BIAS, _BIASES, _BINS, _EMBEDDINGS = range(10, 19)
_FLOAT_INDEX, _FLOAT_FLAT, _FLOAT_BORDERS, _FLOAT_NAME, _FLOAT_NAN = range(1, 6)
_CATEGORY_INDEX, _CATEGORY_FLAT, _CATEGORY_NAME = range(3)
_HOT_INDEX, _HOT_VALUES = range(2)

Document = dict[str, Any]


def document(data: bytes) -> Document:
    """The JSON document of a binary model. Raises ModelUnreadable."""
    try:
        return _document(data)
    except errors.TreesError:
        raise
    except (struct.error, LookupError, ValueError, OverflowError) as exc:
        raise errors.ModelUnreadable(_FORMAT, f"it is cut off or garbled ({exc})") from exc


def _document(data: bytes) -> Document:
    (length,) = struct.unpack_from("<I", data, len(MAGIC))
    core = data[len(MAGIC) + 4 : len(MAGIC) + 4 + length]
    if len(core) != length:
        raise errors.ModelUnreadable(_FORMAT, "it was cut off")
    root = _Table(data=core, at=_number(core, "I", 0))
    if root.text(_CORE_VERSION) != _VERSION:
        raise errors.ModelUnsupported(f"CatBoost's binary format {root.text(_CORE_VERSION)!r}")
    trees = root.table(_CORE_TREES)
    dimension = trees.scalar(_DIMENSION, "i", 0)
    splits = _splits(trees)
    biases = trees.numbers(_BIASES, "<f8").tolist() or [trees.scalar(_BIAS, "d", 0.0)]
    is_symmetric = not len(trees.numbers(_STEPS, "<u2"))
    kind, read = ("oblivious_trees", _symmetric) if is_symmetric else ("trees", _grown)
    is_beyond_reading = any(trees.tables(member) for member in (_CTRS, _TEXTS, _EMBEDDINGS))
    return {
        "features_info": _features(trees),
        "model_info": {entry.text(0): entry.text(1) for entry in root.tables(_CORE_INFO)},
        "scale_and_bias": [trees.scalar(_SCALE, "d", 1.0), biases],
        kind: [] if is_beyond_reading else read(trees, splits, dimension),
    }


def _features(trees: _Table) -> Document:
    values = {
        hot.scalar(_HOT_INDEX, "i", -1): hot.numbers(_HOT_VALUES, "<i4").tolist()
        for hot in trees.tables(_ONE_HOT)
    }
    return {
        "float_features": [
            {
                "feature_index": feature.scalar(_FLOAT_INDEX, "i", -1),
                "flat_feature_index": feature.scalar(_FLOAT_FLAT, "i", -1),
                "feature_id": feature.text(_FLOAT_NAME),
                "nan_value_treatment": _NAN_TREATMENTS[feature.scalar(_FLOAT_NAN, "b", 0)],
            }
            for feature in trees.tables(_FLOATS)
        ],
        "categorical_features": [
            {
                "feature_index": feature.scalar(_CATEGORY_INDEX, "i", -1),
                "flat_feature_index": feature.scalar(_CATEGORY_FLAT, "i", -1),
                "feature_id": feature.text(_CATEGORY_NAME),
                "values": values.get(feature.scalar(_CATEGORY_INDEX, "i", -1), []),
            }
            for feature in trees.tables(_CATEGORICAL)
        ],
        "ctrs": trees.tables(_CTRS),
        "text_features": trees.tables(_TEXTS),
        "embedding_features": trees.tables(_EMBEDDINGS),
    }


def _splits(trees: _Table) -> list[Document]:
    """Every question of the model: trees name them by their place in this list."""
    found: list[Document] = []
    for feature in trees.tables(_FLOATS):
        index = feature.scalar(_FLOAT_INDEX, "i", -1)
        for border in feature.numbers(_FLOAT_BORDERS, "<f4").tolist():
            found.append({"split_type": "FloatFeature", "float_feature_index": index, "border": border})
    for hot in trees.tables(_ONE_HOT):
        index = hot.scalar(_HOT_INDEX, "i", -1)
        for value in hot.numbers(_HOT_VALUES, "<i4").tolist():
            found.append({"split_type": "OneHotFeature", "cat_feature_index": index, "value": value})
    return found


def _symmetric(trees: _Table, splits: Sequence[Document], dimension: int) -> list[Document]:
    values, weights = trees.numbers(_VALUES, "<f8"), trees.numbers(_WEIGHTS, "<f8")
    asked, found, at, leaf = trees.numbers(_SPLITS, "<i4").tolist(), [], 0, 0
    for size in trees.numbers(_SIZES, "<i4").tolist():
        if size > _DEEPEST:
            raise errors.ModelUnreadable(_FORMAT, f"a symmetric tree has {size} levels")
        n_leaves = 1 << size
        found.append(
            {
                "splits": [splits[_place(number)] for number in asked[at : at + size]],
                "leaf_values": values[leaf * dimension : (leaf + n_leaves) * dimension].tolist(),
                "leaf_weights": weights[leaf : leaf + n_leaves].tolist(),
            }
        )
        at, leaf = at + size, leaf + n_leaves
    return found


def _grown(trees: _Table, splits: Sequence[Document], dimension: int) -> list[Document]:
    asked = trees.numbers(_SPLITS, "<i4").tolist()
    steps = trees.numbers(_STEPS, "<u2").reshape(-1, 2).tolist()
    leaf_of = trees.numbers(_LEAF_OF_NODE, "<u4").tolist()
    values, weights = trees.numbers(_VALUES, "<f8"), trees.numbers(_WEIGHTS, "<f8")
    found, first = [], 0

    def leaf(node: int) -> Document:
        at = leaf_of[node]
        if at == _NO_LEAF:
            raise errors.ModelUnreadable(_FORMAT, f"node {node} has no leaf")
        weight = float(weights[at // dimension]) if len(weights) else 0.0
        return {"value": values[at : at + dimension].tolist(), "weight": weight}

    for size in trees.numbers(_SIZES, "<i4").tolist():
        unclaimed: dict[int, Document] = {}
        for node in range(first + size - 1, first - 1, -1):
            sides = [
                unclaimed.pop(node + step) if step else leaf(node) for step in steps[node] if any(steps[node])
            ]
            split = splits[_place(asked[node])] if sides else None
            unclaimed[node] = {"split": split, "left": sides[0], "right": sides[1]} if sides else leaf(node)
        if list(unclaimed) != [first]:
            raise errors.ModelUnreadable(_FORMAT, f"the nodes from {first} on are no tree")
        found.append(unclaimed[first])
        first += size
    return found


def _place(number: int) -> int:
    if number < 0:
        raise errors.ModelUnreadable(_FORMAT, f"it asks the question {number}")
    return number


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """A table of a FlatBuffer; members by their number in the schema."""

    data: bytes
    at: int

    def scalar(self, member: int, kind: str, default: Any) -> Any:
        place = self._place(member)
        return default if place is None else _number(self.data, kind, place)

    def text(self, member: int) -> str:
        place = self._elsewhere(member)
        if place is None:
            return ""
        length = _number(self.data, "I", place)
        return self.data[place + 4 : place + 4 + length].decode(errors="replace")

    def numbers(self, member: int, kind: str) -> npt.NDArray[Any]:
        place = self._elsewhere(member)
        if place is None:
            return np.empty(0, dtype=kind)
        n_bytes = np.dtype(kind).itemsize * _number(self.data, "I", place) * (2 if member == _STEPS else 1)
        return np.frombuffer(self.data[place + 4 : place + 4 + n_bytes], dtype=kind)

    def table(self, member: int) -> _Table:
        place = self._elsewhere(member)
        if place is None:
            raise errors.ModelUnreadable(_FORMAT, "it holds no trees")
        return _Table(data=self.data, at=place)

    def tables(self, member: int) -> list[_Table]:
        place = self._elsewhere(member)
        if place is None:
            return []
        places = range(place + 4, place + 4 + 4 * _number(self.data, "I", place), 4)
        return [_Table(data=self.data, at=each + _number(self.data, "I", each)) for each in places]

    def _place(self, member: int) -> int | None:
        listed = self.at - _number(self.data, "i", self.at)
        if listed < 0:
            raise errors.ModelUnreadable(_FORMAT, "a table lies outside of it")
        here = 4 + 2 * member
        offset = _number(self.data, "H", listed + here) if here < _number(self.data, "H", listed) else 0
        return self.at + offset if offset else None

    def _elsewhere(self, member: int) -> int | None:
        place = self._place(member)
        return None if place is None else place + _number(self.data, "I", place)


def _number(data: bytes, kind: str, at: int) -> Any:
    (number,) = struct.unpack_from(f"<{kind}", data, at)
    return number
