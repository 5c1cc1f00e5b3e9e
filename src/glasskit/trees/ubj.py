"""Universal Binary JSON (ubjson.org, draft 12), as far as XGBoost writes it.

Numbers are big-endian. A container may declare one type (`$`) and a count (`#`) for all its
entries; a typed array of numbers comes back as a NumPy array.
"""

from __future__ import annotations

import dataclasses
import struct
from typing import TypeAlias, Union

import numpy as np
import numpy.typing as npt

from glasskit.trees import errors

Value: TypeAlias = Union[  # noqa: UP007 - a recursive alias cannot be written with | before Python 3.12
    bool, int, float, str, list["Value"], dict[str, "Value"], npt.NDArray[np.generic], None
]

_FORMAT = "UBJSON"
_NUMBERS = {"i": ">i1", "U": ">u1", "I": ">i2", "l": ">i4", "L": ">i8", "d": ">f4", "D": ">f8"}
_CONSTANTS: dict[str, bool | None] = {"Z": None, "T": True, "F": False}
_DEEPEST = 64


def loads(data: bytes) -> Value:
    """The value the bytes hold; raises ModelUnreadable on anything cut off or unknown."""
    reader = _Reader(data=data)
    try:
        return reader.value(reader.marker(), depth=0)
    except (struct.error, UnicodeDecodeError, IndexError) as exc:
        raise errors.ModelUnreadable(_FORMAT, f"it breaks off or is garbled near byte {reader.at}") from exc


@dataclasses.dataclass(slots=True)
class _Reader:
    data: bytes
    at: int = 0

    def marker(self) -> str:
        """The next type marker; no-ops are skipped."""
        while self.data[self.at] == ord("N"):
            self.at += 1
        self.at += 1
        return chr(self.data[self.at - 1])

    def value(self, marker: str, *, depth: int) -> Value:
        if depth > _DEEPEST:
            raise errors.ModelUnreadable(_FORMAT, f"it is nested deeper than {_DEEPEST}")
        if marker in _NUMBERS:
            return self._numbers(marker, 1)[0].item()  # type: ignore[no-any-return]  # NumPy scalar -> Python
        if marker in _CONSTANTS:
            return _CONSTANTS[marker]
        if marker in "SC":
            return self._text(1 if marker == "C" else self._count())
        if marker == "[":
            return self._array(depth)
        if marker == "{":
            return self._object(depth)
        raise errors.ModelUnreadable(_FORMAT, f"byte {self.at - 1} is {marker!r}, not a type marker")

    def _numbers(self, marker: str, count: int) -> npt.NDArray[np.generic]:
        kind = np.dtype(_NUMBERS[marker])
        end = self.at + count * kind.itemsize
        if end > len(self.data):
            raise errors.ModelUnreadable(_FORMAT, f"an array at byte {self.at} runs past the end")
        numbers = np.frombuffer(self.data, dtype=kind, count=count, offset=self.at)
        self.at = end
        return numbers.astype(kind.newbyteorder("="))

    def _count(self) -> int:
        marker = self.marker()
        if marker not in "iUIlL":
            raise errors.ModelUnreadable(_FORMAT, f"a length at byte {self.at - 1} is not an integer")
        count = int(self._numbers(marker, 1)[0])
        if not 0 <= count <= len(self.data):
            raise errors.ModelUnreadable(_FORMAT, f"a length at byte {self.at} is {count}")
        return count

    def _text(self, length: int) -> str:
        end = self.at + length
        if end > len(self.data):
            raise errors.ModelUnreadable(_FORMAT, f"a text at byte {self.at} runs past the end")
        text = self.data[self.at : end].decode()
        self.at = end
        return text

    def _header(self) -> tuple[str | None, int | None]:
        """A container's declared type and count."""
        kind = None
        if self.data[self.at] == ord("$"):
            self.at += 1
            kind = self.marker()
        if self.data[self.at] == ord("#"):
            self.at += 1
            return kind, self._count()
        return kind, None

    def _array(self, depth: int) -> Value:
        kind, count = self._header()
        if kind is not None and count is not None and kind in _NUMBERS:
            return self._numbers(kind, count)
        items: list[Value] = []
        while count is None or len(items) < count:
            marker = kind or self.marker()
            if count is None and marker == "]":
                break
            items.append(self.value(marker, depth=depth + 1))
        return items

    def _object(self, depth: int) -> dict[str, Value]:
        kind, count = self._header()
        members: dict[str, Value] = {}
        read = 0
        while count is None or read < count:
            if count is None and self.data[self.at] == ord("}"):
                self.at += 1
                break
            name = self._text(self._count())
            members[name] = self.value(kind or self.marker(), depth=depth + 1)
            read += 1
        return members
