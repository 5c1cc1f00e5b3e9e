"""Images cut into superpixels: compact areas of about one colour, by SLIC, without any randomness.

Source: Achanta et al. (2012), "SLIC superpixels compared to state-of-the-art superpixel methods".
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

_LARGEST_SIDE = 256
_N_ROUNDS = 10
_SMALLEST_SHARE = 0.25
_TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
_WHITE = np.array([0.95047, 1.0, 1.08883])


def superpixels(
    image: npt.NDArray[np.uint8], *, num_segments: int = 20, segment_compactness: float = 5.0
) -> Labels:
    """The segment of every pixel, (h, w), numbered from 0; about `num_segments`, each of one piece.

    image: (h, w, c), c in 1, 3, 4. segment_compactness: how much nearness counts against colour; a large
    one gives squares. Larger images are cut at a resolution of 256 pixels along their longer side.
    """
    if num_segments < 1:
        raise ValueError(f"num_segments is {num_segments}, but must be at least 1")
    if not 0 < segment_compactness < math.inf:
        raise ValueError(f"segment_compactness is {segment_compactness}, but must be above 0")
    height, width = image.shape[:2]
    step = math.ceil(max(height, width) / _LARGEST_SIDE)
    small = lab(_reduced(image[..., :3], step))
    labels = _in_one_piece(_slic(small, num_segments, segment_compactness), num_segments)
    return np.repeat(np.repeat(labels, step, axis=0), step, axis=1)[:height, :width]


def _reduced(image: npt.NDArray[np.uint8], step: int) -> Floats:
    """Means of step x step pixels; the last ones may be smaller."""
    height, width = image.shape[:2]
    sums = np.add.reduceat(image.astype(np.float64), np.arange(0, height, step), axis=0)
    sums = np.add.reduceat(sums, np.arange(0, width, step), axis=1)
    n_rows = np.diff([*range(0, height, step), height])
    n_columns = np.diff([*range(0, width, step), width])
    return np.asarray(sums / (n_rows[:, np.newaxis] * n_columns)[..., np.newaxis])


def lab(image: Floats) -> Floats:
    """sRGB (or grey) in 0..255 as CIE L*a*b* (D65), where distances are about what eyes see."""
    colours = np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image
    shares = colours / 255.0
    linear = np.where(shares <= 0.04045, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    xyz = linear @ _TO_XYZ.T / _WHITE
    roots = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    x, y, z = roots[..., 0], roots[..., 1], roots[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=2)


def _slic(pixels: Floats, n_wanted: int, compactness: float) -> Labels:
    """k-means in colour and place, each centre looking only at its own neighbourhood."""
    height, width = pixels.shape[:2]
    spacing = math.sqrt(height * width / n_wanted)
    centres = _grid(pixels, n_wanted)
    weight = (compactness / spacing) ** 2
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float64)
    labels = np.zeros((height, width), dtype=np.int64)
    reach = math.ceil(2 * spacing)
    for _ in range(_N_ROUNDS):
        nearest = np.full((height, width), np.inf)
        for index, (row, column, *colour) in enumerate(centres.tolist()):
            window = (
                slice(max(0, int(row) - reach), int(row) + reach + 1),
                slice(max(0, int(column) - reach), int(column) + reach + 1),
            )
            distance = ((pixels[window] - colour) ** 2).sum(axis=2)
            distance += weight * ((rows[window] - row) ** 2 + (columns[window] - column) ** 2)
            closer = distance < nearest[window]
            nearest[window][closer] = distance[closer]
            labels[window][closer] = index
        moved = _means(pixels, rows, columns, labels, centres)
        if np.allclose(moved, centres, atol=1e-3):
            break
        centres = moved
    return labels


def _grid(pixels: Floats, n_wanted: int) -> Floats:
    """Centres (row, column, L, a, b) on a grid as near to n_wanted as its shape allows."""
    height, width = pixels.shape[:2]
    n_rows = min(height, max(1, round(math.sqrt(n_wanted * height / width))))
    n_columns = min(width, max(1, round(n_wanted / n_rows)))
    rows = ((np.arange(n_rows) + 0.5) * height / n_rows).astype(np.int64)
    columns = ((np.arange(n_columns) + 0.5) * width / n_columns).astype(np.int64)
    places = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1).reshape(-1, 2)
    return np.column_stack([places.astype(np.float64), pixels[places[:, 0], places[:, 1]]])


def _means(pixels: Floats, rows: Floats, columns: Floats, labels: Labels, centres: Floats) -> Floats:
    """The mean place and colour of each centre's pixels; one that has none stays."""
    flat = labels.ravel()
    counts = np.bincount(flat, minlength=len(centres))
    parts = [rows, columns, *np.moveaxis(pixels, 2, 0)]
    sums = np.stack([np.bincount(flat, part.ravel(), len(centres)) for part in parts], axis=1)
    means = sums / np.maximum(counts, 1)[:, np.newaxis]
    return np.where(counts[:, np.newaxis] > 0, means, centres)


def _in_one_piece(labels: Labels, n_wanted: int) -> Labels:
    """Every segment connected: what is cut off or too small joins the neighbour it touches most."""
    pieces = _connected(labels)
    smallest = _SMALLEST_SHARE * labels.size / n_wanted
    sizes = np.bincount(pieces.ravel())
    joined = np.arange(len(sizes))
    borders = _borders(pieces, len(sizes))
    for piece in np.argsort(sizes, kind="stable").tolist():
        if sizes[piece] >= smallest or not borders[piece]:
            continue
        target = max(borders[piece], key=lambda other: (borders[piece][other], -other))
        joined[piece] = target
        sizes[target] += sizes[piece]
        for other, length in borders.pop(piece).items():
            del borders[other][piece]
            if other != target:
                borders[target][other] = borders[target].get(other, 0) + length
                borders[other][target] = borders[other].get(target, 0) + length
    while not np.array_equal(joined, joined[joined]):
        joined = joined[joined]
    return np.asarray(np.unique(joined[pieces], return_inverse=True)[1].reshape(labels.shape), dtype=np.int64)


def _connected(labels: Labels) -> Labels:
    """Areas of one label, numbered by their first pixel: each takes the lowest number beside it until none is lower."""
    height, width = labels.shape
    numbers = np.arange(labels.size).reshape(labels.shape)
    across, down = labels[:, 1:] == labels[:, :-1], labels[1:] == labels[:-1]
    while True:
        before = numbers.copy()
        for first, second, same in (
            (numbers[:, :-1], numbers[:, 1:], across),
            (numbers[:-1], numbers[1:], down),
        ):
            lower = np.minimum(first, second)
            first[same] = lower[same]
            second[same] = lower[same]
        numbers = numbers.ravel()[numbers]
        if np.array_equal(before, numbers):
            break
    return np.asarray(np.unique(numbers, return_inverse=True)[1].reshape(height, width), dtype=np.int64)


def _borders(pieces: Labels, n_pieces: int) -> dict[int, dict[int, int]]:
    """piece -> neighbour -> how many pixels long their border is."""
    pairs = np.concatenate(
        [
            np.stack([pieces[:, 1:].ravel(), pieces[:, :-1].ravel()], axis=1),
            np.stack([pieces[1:].ravel(), pieces[:-1].ravel()], axis=1),
        ]
    )
    different, lengths = np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0, return_counts=True)
    borders: dict[int, dict[int, int]] = {piece: {} for piece in range(n_pieces)}
    for (one, other), length in zip(different.tolist(), lengths.tolist(), strict=True):
        borders[one][other] = borders[one].get(other, 0) + length
        borders[other][one] = borders[other].get(one, 0) + length
    return borders
