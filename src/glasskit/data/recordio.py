"""RecordIO-protobuf, the binary format of SageMaker's algorithms, without the protobuf library.

A file is a sequence of frames: the magic number 0xced7230a, a word whose low 29 bits are the length (the high 3
mark the parts of a record that contained the magic number), the bytes, and zeros up to a multiple of four. Each
record is a protobuf message (aialgs.data.Record): `features = 1` and `label = 2` are maps from a name (always
"values") to a Value holding one of Float32Tensor (2), Float64Tensor (3), Int32Tensor (7); a tensor has packed
`values = 1`, `keys = 2` (present: the tensor is sparse) and `shape = 3`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from glasskit.data import faults, tables

if TYPE_CHECKING:
    import numpy.typing as npt

    Array = npt.NDArray[Any]

_MAGIC = 0xCED7230A
_LENGTH_BITS = 29
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_TENSOR_TYPES: dict[int, np.dtype[Any] | None] = {2: np.dtype("<f4"), 3: np.dtype("<f8"), 7: None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """`values` of a row; `keys` are their columns when it is sparse, of `width` columns in all."""

    values: Array
    keys: Array | None = None
    width: int | None = None


def read(body: bytes, where: str, columns: tables.Columns) -> tables.Table:
    """All records as one table: CSR when the first one is sparse. Raises faults.Unreadable."""
    features, labels = [], []
    try:
        for record in frames(body):
            feature, label = _record(record)
            features.append(feature)
            labels.append(label)
    except (ValueError, IndexError, struct.error) as exc:
        raise faults.Unreadable(where, "recordio-protobuf", str(exc)) from exc
    if not features:
        raise faults.Unreadable(where, "recordio-protobuf", "there are no records")
    if columns.n_labels and any(label is None for label in labels):
        raise faults.Unreadable(where, "recordio-protobuf", f"record {labels.index(None)} has no label")
    stacked = _dense(features, where) if features[0].keys is None else _sparse(features, where)
    return tables.Table(
        features=stacked, label=np.array(labels, dtype=np.float64) if columns.n_labels else None
    )


def _dense(tensors: list[Tensor], where: str) -> Array:
    widths = {len(tensor.values) for tensor in tensors}
    if len(widths) > 1:
        raise faults.Unreadable(where, "recordio-protobuf", f"records differ in length: {sorted(widths)}")
    return np.array([tensor.values for tensor in tensors], dtype=np.float64)


def _sparse(tensors: list[Tensor], where: str) -> Any:
    from scipy import sparse

    if any(tensor.keys is None for tensor in tensors):
        raise faults.Unreadable(where, "recordio-protobuf", "some records are sparse and others are not")
    keys = [tensor.keys for tensor in tensors if tensor.keys is not None]
    width = max(
        max(tensor.width or 0 for tensor in tensors),
        max((int(key.max()) + 1 for key in keys if len(key)), default=0),
    )
    starts = np.concatenate([[0], np.cumsum([len(key) for key in keys])])
    values = np.concatenate([tensor.values for tensor in tensors]).astype(np.float64)
    return sparse.csr_matrix(
        (values, np.concatenate(keys).astype(np.int64), starts), shape=(len(keys), width)
    )


def write(table: tables.Table) -> bytes:
    """The table as RecordIO-protobuf of Float32 tensors, one record a row."""
    out = bytearray()
    for row in range(table.n_rows):
        label = None if table.label is None else float(table.label[row])
        out += frame(record(_tensor_of(table, row), label))
    return bytes(out)


def _tensor_of(table: tables.Table, row: int) -> Tensor:
    features = table.features
    if isinstance(features, np.ndarray):
        return Tensor(values=features[row])
    start, stop = features.indptr[row], features.indptr[row + 1]
    return Tensor(
        values=features.data[start:stop], keys=features.indices[start:stop], width=int(features.shape[1])
    )


# --- frames --------------------------------------------------------------------------------------


def frame(payload: bytes) -> bytes:
    """One whole record, padded."""
    padding = -len(payload) % 4
    return struct.pack("<II", _MAGIC, len(payload)) + payload + b"\0" * padding


def frames(body: bytes) -> Iterator[bytes]:
    """The records of a file; parts of a split record are joined by the magic number they were split at.

    Raises ValueError on a wrong magic number or a file that ends early.
    """
    at, parts = 0, []
    while at < len(body):
        if len(body) - at < 8:
            raise ValueError(f"the file ends inside a frame header at byte {at}")
        magic, word = struct.unpack_from("<II", body, at)
        if magic != _MAGIC:
            raise ValueError(f"byte {at} does not start a RecordIO frame")
        flag, length = word >> _LENGTH_BITS, word & ((1 << _LENGTH_BITS) - 1)
        if at + 8 + length > len(body):
            raise ValueError(f"the file ends inside the frame at byte {at}")
        parts.append(body[at + 8 : at + 8 + length])
        if flag in (0, 3):
            yield struct.pack("<I", _MAGIC).join(parts)
            parts = []
        at += 8 + length + (-length % 4)
    if parts:
        raise ValueError("the file ends inside a split record")


# --- protobuf ------------------------------------------------------------------------------------


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _field(number: int, payload: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(payload)) + payload


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("a number is longer than 64 bits")


def _fields(data: bytes) -> Iterator[tuple[int, int, bytes | int]]:
    """(field number, wire type, value) of a message. Raises ValueError, IndexError when it is cut short."""
    at = 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, at = _read_varint(data, at)
            yield number, kind, value
            continue
        if kind == _BYTES:
            length, at = _read_varint(data, at)
        elif kind in (_FIXED32, _FIXED64):
            length = 4 if kind == _FIXED32 else 8
        else:
            raise ValueError(f"a field has wire type {kind}")
        if at + length > len(data):
            raise ValueError("a message is cut short")
        yield number, kind, data[at : at + length]
        at += length


def _record(data: bytes) -> tuple[Tensor, float | None]:
    feature: Tensor | None = None
    label: float | None = None
    for number, _, value in _fields(data):
        if number in (1, 2) and isinstance(value, bytes):
            tensor = _entry(value)
            if number == 1:
                feature = tensor
            elif len(tensor.values):
                label = float(tensor.values[0])
    if feature is None:
        raise ValueError("a record has no features")
    return feature, label


def _entry(data: bytes) -> Tensor:
    """The tensor of a map entry {1: key, 2: Value}."""
    value = next((part for number, _, part in _fields(data) if number == 2 and isinstance(part, bytes)), b"")
    for number, _, part in _fields(value):
        if number in _TENSOR_TYPES and isinstance(part, bytes):
            return _tensor(part, _TENSOR_TYPES[number])
    raise ValueError("a feature is not a tensor of numbers")


def _tensor(data: bytes, dtype: np.dtype[Any] | None) -> Tensor:
    values, keys, shape = bytearray(), [], []
    integers: list[int] = []
    for number, kind, part in _fields(data):
        if number == 1 and dtype is not None and isinstance(part, bytes):
            values += part
        elif number == 1:
            integers += [_signed(item) for item in _integers(part)]
        elif number == 2:
            keys += _integers(part)
        elif number == 3:
            shape += _integers(part)
        elif kind not in (_VARINT, _FIXED64, _BYTES, _FIXED32):
            raise ValueError("a tensor has an unknown field")
    array = np.array(integers, np.float64) if dtype is None else np.frombuffer(bytes(values), dtype)
    if keys and len(keys) != len(array):
        raise ValueError("a sparse tensor has another number of keys than of values")
    sparse = bool(keys) or bool(shape and not len(array))
    return Tensor(
        values=array, keys=np.array(keys, np.int64) if sparse else None, width=shape[-1] if shape else None
    )


def _integers(part: bytes | int) -> list[int]:
    if isinstance(part, int):
        return [part]
    out, at = [], 0
    while at < len(part):
        value, at = _read_varint(part, at)
        out.append(value)
    return out


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def record(feature: Tensor, label: float | None = None) -> bytes:
    """The protobuf message of one row."""
    message = _map_entry(1, feature)
    if label is not None:
        message += _map_entry(2, Tensor(values=np.array([label])))
    return message


def _map_entry(number: int, tensor: Tensor) -> bytes:
    body = _field(1, np.asarray(tensor.values, dtype="<f4").tobytes())
    if tensor.keys is not None:
        body += _field(2, b"".join(_varint(int(key)) for key in tensor.keys))
        body += _field(3, _varint(tensor.width or 0))
    return _field(number, _field(1, b"values") + _field(2, _field(2, body)))
