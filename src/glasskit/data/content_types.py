"""Content types as SageMaker users write them: `csv`, `text/csv; label_size=0`, `application/x-npy`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from glasskit.data import faults

Format = Literal["csv", "libsvm", "parquet", "recordio-protobuf", "json", "jsonlines", "npy", "npz"]

_FORMATS: Mapping[str, Format] = {
    "csv": "csv",
    "text/csv": "csv",
    "libsvm": "libsvm",
    "text/libsvm": "libsvm",
    "text/x-libsvm": "libsvm",
    "parquet": "parquet",
    "application/x-parquet": "parquet",
    "recordio-protobuf": "recordio-protobuf",
    "application/x-recordio-protobuf": "recordio-protobuf",
    "json": "json",
    "application/json": "json",
    "jsonlines": "jsonlines",
    "application/jsonlines": "jsonlines",
    "application/x-npy": "npy",
    "application/x-npz": "npz",
}

TABULAR: tuple[Format, ...] = ("csv", "libsvm", "parquet", "recordio-protobuf")
"""The formats a training channel of a tabular algorithm may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentType:
    """A media type in lower case, and its parameters as they were written."""

    media: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def format(self) -> Format | None:
        """The format the media type names, or None when it names none of ours."""
        return _FORMATS.get(self.media)


def parse(text: str) -> ContentType:
    """The parts of a Content-Type header.

    >>> parse('text/csv; label_size=0')
    ContentType(media='text/csv', parameters={'label_size': '0'})
    """
    media, *pieces = text.split(";")
    parameters = {}
    for piece in pieces:
        name, _, value = piece.partition("=")
        if name.strip():
            parameters[name.strip().lower()] = value.strip().strip('"')
    return ContentType(media=media.strip().lower(), parameters=parameters)


def spellings(formats: tuple[Format, ...]) -> tuple[str, ...]:
    """Every way to write one of the formats."""
    return tuple(name for name, known in _FORMATS.items() if known in formats)


def expect(text: str, formats: tuple[Format, ...]) -> tuple[Format, Mapping[str, str]]:
    """The format that `text` names, and its parameters.

    Raises faults.UnsupportedType when it is none of `formats`.
    """
    parsed = parse(text)
    if parsed.format is None or parsed.format not in formats:
        raise faults.UnsupportedType(text, spellings(formats))
    return parsed.format, parsed.parameters
