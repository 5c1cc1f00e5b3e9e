"""Images explained: how much each area moved what a model says about an image, or about an object in it.

The players are superpixels. A coalition is the image with the other areas blurred, or painted over; its
value is what the model predicts for it. So base value plus contributions is the prediction for the whole
image, and the base value is the prediction for the image with nothing left of it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt

from glasskit.explain import explanations, games, images_segments, pieces, sampling, shap_objects

Pixels = npt.NDArray[np.uint8]
Predict = Callable[[Pixels], npt.ArrayLike]
"""What is explained: images (n, h, w, c) -> one number each, or one per output; (n,) or (n, K)."""
Baseline = Literal["blur", "mean"] | tuple[int, ...]
"""What a missing area shows: the image blurred, its mean colour, or a colour of c numbers in 0..255."""

_BLUR_SHARE = 0.08
_CHANNELS = (1, 3, 4)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Segmentation:
    """How images are cut into areas."""

    num_segments: int = 20
    segment_compactness: float = 5.0


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Explained:
    """One image's explanation: a row whose features are its areas.

    explanation: values (1, S) or (1, S, K); data holds each area's share of the image.
    segments: the area of every pixel, (h, w). errors: the standard error of each value.
    """

    explanation: explanations.Explanation
    errors: npt.NDArray[np.float64]
    method: sampling.Method
    image: Pixels
    segments: images_segments.Labels

    def output(self, index: int) -> Explained:
        """The explanation of one output of several."""
        return dataclasses.replace(
            self, explanation=self.explanation.output(index), errors=self.errors[:, :, index]
        )

    def attribution_map(self) -> npt.NDArray[np.float64]:
        """The contribution of every pixel, (h, w) or (h, w, K): its area's, spread evenly over the area.

        All pixels together are the prediction minus the base value.
        """
        n_pixels = np.bincount(self.segments.ravel(), minlength=self.explanation.shape[1])
        values = self.explanation.values[0]
        per_pixel = values / n_pixels.reshape(-1, *(1,) * (values.ndim - 1))
        return np.asarray(per_pixel[self.segments])


def explain(
    predict: Predict,
    image: npt.ArrayLike,
    *,
    segmentation: Segmentation | None = None,
    baseline: Baseline = "blur",
    method: pieces.AskedMethod = "kernel",
    n_samples: int | None = None,
    seed: int = 0,
    space: games.Space = "prediction",
    batch_size: int = 32,
) -> Explained:
    """The contribution of each area of an image, uint8 (h, w, c), to what `predict` says about it.

    n_samples: images asked about, 2 S + 2048 for S areas if None; exact where that is all of them.
    batch_size: images given to `predict` at once.
    """
    whole = checked(image)
    told = segmentation or Segmentation()
    segments = images_segments.superpixels(
        whole, num_segments=told.num_segments, segment_compactness=told.segment_compactness
    )
    empty = baseline_image(whole, baseline)
    return played(
        predict,
        whole,
        empty,
        segments,
        method=method,
        n_samples=n_samples,
        seed=seed,
        space=space,
        batch_size=batch_size,
    )


def played(
    predict: Predict,
    whole: Pixels,
    empty: Pixels,
    segments: images_segments.Labels,
    *,
    method: pieces.AskedMethod,
    n_samples: int | None,
    seed: int,
    space: games.Space,
    batch_size: int,
) -> Explained:
    """The explanation of an image whose missing areas show `empty`."""
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}, but must be at least 1")
    n_segments = int(segments.max()) + 1
    sampled = pieces.solved(
        lambda kept: _asked(predict, whole, empty, segments, kept, batch_size),
        [f"area_{index}" for index in range(n_segments)],
        method=method,
        n_samples=n_samples,
        seed=seed,
        space=space,
    )
    shares = np.bincount(segments.ravel(), minlength=n_segments) / segments.size
    return Explained(
        explanation=shap_objects.compatible(
            dataclasses.replace(sampled.explanation, data=shares[np.newaxis])
        ),
        errors=sampled.errors,
        method=sampled.method,
        image=whole,
        segments=segments,
    )


def checked(image: npt.ArrayLike) -> Pixels:
    """The image as an array; raises ValueError unless it is uint8 (h, w, c) with 1, 3 or 4 channels."""
    found = np.asarray(image)
    if found.ndim != 3 or found.shape[2] not in _CHANNELS or not found.size:
        raise ValueError(f"an image has the shape (height, width, 1, 3 or 4), not {found.shape}")
    if found.dtype != np.uint8:
        raise ValueError(f"an image holds uint8 numbers, 0 to 255, not {found.dtype}")
    return found


def baseline_image(image: Pixels, baseline: Baseline) -> Pixels:
    """What the image shows where areas are missing; an alpha channel stays as it is."""
    if baseline == "blur":
        empty = _blurred(image)
    elif baseline == "mean":
        empty = np.broadcast_to(np.rint(image.mean(axis=(0, 1))).astype(np.uint8), image.shape).copy()
    elif isinstance(baseline, tuple) and len(baseline) == image.shape[2]:
        if not all(0 <= part <= 255 for part in baseline):
            raise ValueError(f"the baseline colour {baseline} is not between 0 and 255")
        return np.broadcast_to(np.array(baseline, dtype=np.uint8), image.shape).copy()
    else:
        raise ValueError(
            f"the baseline is {baseline!r}, but must be 'blur', 'mean' or a colour of {image.shape[2]} numbers"
        )
    if image.shape[2] == 4:
        empty[..., 3] = image[..., 3]
    return empty


def _blurred(image: Pixels) -> Pixels:
    """Three box blurs, which are nearly a Gaussian one; the borders repeat."""
    radius = max(1, round(_BLUR_SHARE * max(image.shape[:2])))
    blurred = image.astype(np.float64)
    for _ in range(3):
        for axis in (0, 1):
            padding = [(radius + 1, radius) if at == axis else (0, 0) for at in range(3)]
            sums = np.cumsum(np.pad(blurred, padding, mode="edge"), axis=axis)
            n_pixels = image.shape[axis]
            ahead = np.take(sums, np.arange(2 * radius + 1, 2 * radius + 1 + n_pixels), axis=axis)
            behind = np.take(sums, np.arange(n_pixels), axis=axis)
            blurred = (ahead - behind) / (2 * radius + 1)
    return np.clip(np.rint(blurred), 0, 255).astype(np.uint8)


def _asked(
    predict: Predict,
    whole: Pixels,
    empty: Pixels,
    segments: images_segments.Labels,
    kept: games.Bools,
    batch_size: int,
) -> games.Floats:
    """What the model says about the images that coalitions stand for, a batch of them in memory at a time."""
    answers = []
    for start in range(0, len(kept), batch_size):
        shown = kept[start : start + batch_size][:, segments]
        images = np.where(shown[..., np.newaxis], whole, empty)
        answers.append(pieces.answered(predict(images), len(images)))
    return np.concatenate(answers)
