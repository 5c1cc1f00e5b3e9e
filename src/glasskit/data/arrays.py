"""Arrays to bytes and back, as the default handlers of SageMaker's inference toolkit do it."""

from __future__ import annotations

import io
import json
from typing import Any

from glasskit.data import content_types, delimited, faults

DECODED: tuple[content_types.Format, ...] = ("json", "csv", "npy", "npz")
ENCODED: tuple[content_types.Format, ...] = ("json", "csv", "npy")


def decode(body: bytes | str, content_type: str) -> Any:
    """The array in a request body; npz holds a SciPy sparse matrix.

    Pickled objects inside npy are refused. Raises faults.UnsupportedType, faults.Unreadable.
    """
    import numpy as np

    name, _ = content_types.expect(content_type, DECODED)
    raw = body.encode("utf-8") if isinstance(body, str) else body
    try:
        if name == "json":
            return np.array(json.loads(raw))
        if name == "csv":
            return _cells(raw)
        if name == "npy":
            return np.load(io.BytesIO(raw), allow_pickle=False)
        from scipy import sparse

        return sparse.load_npz(io.BytesIO(raw))
    except (ValueError, OSError, KeyError, EOFError) as exc:
        raise faults.Unreadable("the request", name, str(exc)) from exc


def _cells(raw: bytes) -> Any:
    """Numbers as (n_rows, n_columns); with text in them what NumPy makes of each column."""
    try:
        return delimited.numbers(raw, "the request")
    except faults.Unreadable:
        import numpy as np

        return np.genfromtxt(io.BytesIO(raw), dtype=None, delimiter=",", encoding="utf-8")


def encode(array_like: Any, accept: str) -> bytes:
    """A prediction as bytes of the accepted type. Raises faults.UnsupportedType."""
    name, _ = content_types.expect(accept, ENCODED)
    if name == "json":
        return json.dumps(array_like, default=_plain).encode()
    import numpy as np

    if name == "npy":
        stream = io.BytesIO()
        np.save(stream, np.asarray(array_like), allow_pickle=False)
        return stream.getvalue()
    text = io.StringIO()
    np.savetxt(text, np.atleast_1d(np.asarray(array_like)), delimiter=",", fmt="%s")
    return text.getvalue().encode()


def _plain(value: Any) -> Any:
    """NumPy arrays and scalars, pandas frames and series, as lists and numbers."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "to_dict"):
        return value.to_dict()
    raise TypeError(
        f"{type(value).__name__} cannot be written as JSON; return plain values or write an output_fn"
    )
