"""Detected objects explained: which areas of an image made a detector see each of them there.

An object's value in a changed image is the highest score of a box of its class that overlaps the
object's own box by at least `iou_threshold`; 0 if there is none.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from glasskit.explain import games, images, images_segments, pieces

Detect = Callable[[images.Pixels], Sequence[npt.ArrayLike]]
"""Images (n, h, w, c) -> for each its boxes, (m, 6): class, score, left, top, right, bottom.

The places are shares of width and height in 0..1, or pixels; always the same of the two.
"""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """A box as the detector gives it, its score in 0..1."""

    class_id: float
    score: float
    left: float
    top: float
    right: float
    bottom: float


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExplainedObject:
    """An object, and the contributions of the areas to its score."""

    detection: Detection
    explained: images.Explained


def explain(
    detect: Detect,
    image: npt.ArrayLike,
    *,
    max_objects: int = 3,
    iou_threshold: float = 0.5,
    context: float = 1.0,
    segmentation: images.Segmentation | None = None,
    baseline: images.Baseline = "blur",
    method: pieces.AskedMethod = "kernel",
    n_samples: int | None = None,
    seed: int = 0,
    batch_size: int = 32,
) -> tuple[ExplainedObject, ...]:
    """The objects with the highest scores, at most `max_objects`, each explained.

    context: how much of the surroundings of an object's box is shown, from 0 (none) to 1 (all); the rest
    shows the baseline, whatever the coalition. The same draws explain every object.
    """
    _require(max_objects, iou_threshold, context)
    whole = images.checked(image)
    told = segmentation or images.Segmentation()
    segments = images_segments.superpixels(
        whole, num_segments=told.num_segments, segment_compactness=told.segment_compactness
    )
    empty = images.baseline_image(whole, baseline)
    found = sorted(detections(detect, whole[np.newaxis])[0], key=lambda one: -one.score)[:max_objects]
    explained = []
    for one in found:
        seen = np.where(_surroundings(one, context, whole.shape)[..., np.newaxis], whole, empty)
        answer = images.played(
            lambda changed, one=one: _scores(detect, changed, one, iou_threshold),  # type: ignore[misc] # bound at once
            seen.astype(np.uint8),
            empty,
            segments,
            method=method,
            n_samples=n_samples,
            seed=seed,
            space="prediction",
            batch_size=batch_size,
        )
        explained.append(ExplainedObject(detection=one, explained=dataclasses.replace(answer, image=whole)))
    return tuple(explained)


def detections(detect: Detect, shown: images.Pixels) -> list[list[Detection]]:
    """The boxes of each image; raises BadPredictions if they are not what a detector answers."""
    answers = detect(shown)
    if len(answers) != len(shown):
        raise games.BadPredictions(f"answers {len(shown)} images with {len(answers)} lists of boxes")
    found = []
    for boxes in answers:
        table = np.asarray(boxes, dtype=np.float64)
        table = table.reshape(0, 6) if not table.size else table
        if table.ndim != 2 or table.shape[1] != 6 or not np.isfinite(table).all():
            raise games.BadPredictions(
                f"answers with boxes of the shape {table.shape}; each must be six finite numbers: "
                "class, score, left, top, right, bottom"
            )
        found.append([_detection(row) for row in table.tolist()])
    return found


def overlap(one: Detection, other: Detection) -> float:
    """Intersection over union of two boxes, 0..1."""
    width = min(one.right, other.right) - max(one.left, other.left)
    height = min(one.bottom, other.bottom) - max(one.top, other.top)
    shared = max(0.0, width) * max(0.0, height)
    union = _area(one) + _area(other) - shared
    return shared / union if union > 0 else 0.0


def _detection(row: Sequence[float]) -> Detection:
    class_id, score, left, top, right, bottom = row
    return Detection(class_id=class_id, score=score, left=left, top=top, right=right, bottom=bottom)


def _area(box: Detection) -> float:
    return max(0.0, box.right - box.left) * max(0.0, box.bottom - box.top)


def _scores(
    detect: Detect, changed: images.Pixels, wanted: Detection, iou_threshold: float
) -> npt.NDArray[np.float64]:
    scores = [
        max(
            (
                box.score
                for box in boxes
                if box.class_id == wanted.class_id and overlap(box, wanted) >= iou_threshold
            ),
            default=0.0,
        )
        for boxes in detections(detect, changed)
    ]
    return np.array(scores, dtype=np.float64)


def _surroundings(box: Detection, context: float, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
    """The pixels inside the box, and the part of the surroundings that is shown; (h, w)."""
    height, width = shape[:2]
    are_shares = max(box.right, box.bottom) <= 1.0
    across, down = (width, height) if are_shares else (1, 1)
    left, right = (
        box.left * across * (1 - context),
        box.right * across + (width - box.right * across) * context,
    )
    top, bottom = box.top * down * (1 - context), box.bottom * down + (height - box.bottom * down) * context
    rows, columns = np.arange(height) + 0.5, np.arange(width) + 0.5
    inside = ((rows >= top) & (rows <= bottom))[:, np.newaxis] & (columns >= left) & (columns <= right)
    return np.asarray(inside)


def _require(max_objects: int, iou_threshold: float, context: float) -> None:
    if max_objects < 1:
        raise ValueError(f"max_objects is {max_objects}, but must be at least 1")
    if not 0 < iou_threshold <= 1:
        raise ValueError(f"iou_threshold is {iou_threshold}, but must be above 0 and at most 1")
    if not 0 <= context <= 1:
        raise ValueError(f"context is {context}, but must be between 0 and 1")
