"""Our own file format for tree ensembles: canonical bytes, so that equal models have equal digests.

    bytes 0-15       b"glasskit.trees 1"
    bytes 16-23      length of the header, unsigned, little-endian
    header           JSON, UTF-8, keys sorted, no spaces: everything of `Ensemble` but its trees, and
                     of every tree its number of nodes, its output and its category sets
                     ([node, [categories in order]], in the order of nodes); `text_hashes` and
                     `levels` only where there are any
    arrays           for every tree in order, for every array in the order of `ARRAYS`, its numbers,
                     little-endian, without padding
    nothing else     bytes that follow make the file unreadable

Numbers in the header are written by Python's repr, which reads back to the same double. The digest
of a model is the SHA-256 of these bytes.
"""

from __future__ import annotations

import hashlib
import json
import pathlib
import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from glasskit.trees import ensembles, errors, links

MAGIC = b"glasskit.trees 1"
ARRAYS = (
    ("feature", "<i8"),
    ("test", "<i1"),
    ("threshold", "<f8"),
    ("missing", "<i1"),
    ("default_left", "<u1"),
    ("left", "<i8"),
    ("right", "<i8"),
    ("value", "<f8"),
    ("cover", "<f8"),
)
_FORMAT = "glasskit.trees"
_HEADER_AT = len(MAGIC) + 8


def to_bytes(ensemble: ensembles.Ensemble) -> bytes:
    """The canonical bytes of an ensemble."""
    header: dict[str, Any] = {
        "base_scores": [float(score) for score in ensemble.base_scores],
        "divisor": float(ensemble.divisor),
        "feature_names": list(ensemble.feature_names),
        "float32_inputs": bool(ensemble.float32_inputs),
        "link": [ensemble.link.name, float(ensemble.link.scale)],
        "objective": ensemble.objective,
        "source": ensemble.source,
        "trees": [
            [
                tree.n_nodes,
                int(tree.output),
                [[node, sorted(tree.categories[node])] for node in sorted(tree.categories)],
            ]
            for tree in ensemble.trees
        ],
    }
    if ensemble.text_hashes:
        header["text_hashes"] = [
            [feature, list(ensemble.text_hashes[feature])] for feature in sorted(ensemble.text_hashes)
        ]
    if ensemble.levels:
        header["levels"] = [[feature, list(ensemble.levels[feature])] for feature in sorted(ensemble.levels)]
    text = json.dumps(header, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    arrays = (getattr(tree, name).astype(kind).tobytes() for tree in ensemble.trees for name, kind in ARRAYS)
    return b"".join([MAGIC, struct.pack("<Q", len(text)), text, *arrays])


def digest(ensemble: ensembles.Ensemble) -> str:
    """SHA-256 of the canonical bytes, in hexadecimal."""
    return hashlib.sha256(to_bytes(ensemble)).hexdigest()


def save(ensemble: ensembles.Ensemble, path: str | pathlib.Path) -> None:
    """Writes the ensemble so that `load` reads it back."""
    pathlib.Path(path).write_bytes(to_bytes(ensemble))


def from_bytes(data: bytes) -> ensembles.Ensemble:
    """The ensemble of canonical bytes. Raises ModelUnreadable."""
    try:
        read = _ensemble(data)
        if to_bytes(read) != data:
            raise errors.ModelUnreadable(_FORMAT, "its bytes are not the canonical ones")
        return read
    except errors.TreesError:
        raise
    except (struct.error, LookupError, TypeError, ValueError, AttributeError, RecursionError) as exc:
        raise errors.ModelUnreadable(_FORMAT, f"it is cut off or garbled ({exc})") from exc


def _ensemble(data: bytes) -> ensembles.Ensemble:
    if not data.startswith(MAGIC):
        raise errors.ModelUnreadable(_FORMAT, f"it does not start with {MAGIC.decode()!r}")
    (length,) = struct.unpack("<Q", data[len(MAGIC) : _HEADER_AT])
    header: dict[str, Any] = json.loads(data[_HEADER_AT : _HEADER_AT + length])
    at = _HEADER_AT + length
    trees = []
    for n_nodes, output, listed in header["trees"]:
        arrays, at = _arrays(data, at, int(n_nodes))
        sets = {int(node): frozenset(int(member) for member in members) for node, members in listed}
        trees.append(ensembles.Tree(**arrays, output=int(output), categories=sets))
    if at != len(data):
        raise errors.ModelUnreadable(_FORMAT, f"{len(data) - at} bytes follow its end")
    name, scale = header["link"]
    return ensembles.Ensemble(
        trees=tuple(trees),
        feature_names=tuple(str(name) for name in header["feature_names"]),
        base_scores=tuple(float(score) for score in header["base_scores"]),
        divisor=float(header["divisor"]),
        link=links.named(str(name), float(scale)),
        objective=str(header["objective"]),
        source=str(header["source"]),
        float32_inputs=bool(header["float32_inputs"]),
        text_hashes={
            int(feature): tuple(int(each) for each in hashes)
            for feature, hashes in header.get("text_hashes", ())
        },
        levels={int(feature): tuple(levels) for feature, levels in header.get("levels", ())},
    )


def _arrays(data: bytes, at: int, n_nodes: int) -> tuple[dict[str, npt.NDArray[Any]], int]:
    arrays: dict[str, npt.NDArray[Any]] = {}
    for name, kind in ARRAYS:
        arrays[name] = np.frombuffer(data, dtype=kind, count=n_nodes, offset=at)
        at += arrays[name].nbytes
    return arrays, at
