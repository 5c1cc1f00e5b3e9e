"""Readers and encoders for the content types that jobs and model servers exchange.

`readers` reads a file, a folder or a request body into a `tables.Table`; `arrays` turns predictions into bytes
and back; `named` reads columns by their names; `content_types` parses `text/csv;label_size=0`. Each format has a module
of its own.
"""

from __future__ import annotations

__all__ = [
    "arrays",
    "content_types",
    "delimited",
    "faults",
    "libsvm",
    "named",
    "parquet",
    "readers",
    "recordio",
    "tables",
]
