"""Pixels as a PNG file, with nothing but the standard library."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import numpy.typing as npt

_COLOUR_TYPES = {1: 0, 3: 2, 4: 6}


def written(pixels: npt.NDArray[np.uint8]) -> bytes:
    """A PNG of uint8 pixels, (h, w, c): grey, RGB or RGBA. Raises ValueError for anything else."""
    if (
        pixels.ndim != 3
        or pixels.shape[2] not in _COLOUR_TYPES
        or pixels.dtype != np.uint8
        or not pixels.size
    ):
        raise ValueError(f"a PNG needs uint8 pixels (h, w, 1, 3 or 4), not {pixels.dtype} {pixels.shape}")
    height, width, n_channels = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPES[n_channels], 0, 0, 0)
    lines = np.zeros((height, 1 + width * n_channels), dtype=np.uint8)
    lines[:, 1:] = pixels.reshape(height, -1)
    parts = (b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 6)), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, content) for kind, content in parts)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
