"""An image with each area tinted by what it did to the prediction, as data."""

from __future__ import annotations

import base64
import dataclasses

import numpy as np
import numpy.typing as npt

from glasskit.charts import checks, png, shown, svg, tables
from glasskit.explain import words
from glasskit.explain.images import Explained
from glasskit.explain.images_objects import Detection

_RAISES, _LOWERS = np.array([255, 87, 51]), np.array([105, 174, 53])
_TINT = 0.65
_MOST_LINES = 160


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """A superpixel. outline: it as an SVG path in pixels; share: of the image; strength: 0..1."""

    number: int
    contribution: float
    error: float
    share: float
    strength: float
    outline: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Overlay(shown.Shown):
    """An image in grey, as PNG in base 64, and its areas; box: (left, top, right, bottom) of an object, in pixels."""

    image_png: str
    width: int
    height: int
    areas: tuple[Area, ...]
    box: tuple[float, float, float, float] | None
    baseline_text: str
    prediction_text: str

    def drawn(self, look: shown.Look) -> str:
        """The image, red where it raised, green and hatched where it lowered."""
        return svg.overlay(self, **look.asked())

    def table(self) -> tables.Table:
        """A row per area, the strongest first."""
        return tables.Table(
            headings=("Area", "SHAP value", "Standard error", "Share of the image"),
            rows=[
                (f"area {area.number}", area.contribution, area.error, area.share)
                for area in sorted(self.areas, key=lambda area: -abs(area.contribution))
            ],
            caption=f"From {self.baseline_text} for nothing of the image to {self.prediction_text} for all of it.",
        )


def overlay(explained: Explained, *, detection: Detection | None = None) -> Overlay:
    """The tinted image of an explanation of one output; with the box of a detected object, if one is given."""
    checks.require_rows(explained.explanation, "tinted image")
    one = explained.explanation.row(0)
    largest = max(map(abs, one.values), default=0.0) or 1.0
    height, width = explained.segments.shape
    errors = np.asarray(explained.errors)[0].tolist()
    return Overlay(
        image_png=base64.b64encode(png.written(_grey(explained.image))).decode(),
        width=width,
        height=height,
        areas=tuple(
            Area(
                number=index,
                contribution=value,
                error=errors[index],
                share=float(one.data[index]),  # type: ignore[arg-type] # Explained holds shares
                strength=abs(value) / largest,
                outline=_outline(explained.segments == index),
            )
            for index, value in enumerate(one.values)
        ),
        box=None if detection is None else _pixels(detection, width, height),
        baseline_text=words.amount(one, one.baseline),
        prediction_text=words.amount(one, one.prediction),
    )


def overlay_png(explained: Explained) -> bytes:
    """The tinted image itself as a PNG of the same size: no legend, and no package but NumPy."""
    checks.require_rows(explained.explanation, "tinted image")
    values = explained.explanation.values[0][explained.segments]
    strength = np.abs(values) / (float(np.abs(values).max()) or 1.0) * _TINT
    colour = np.where((values > 0)[..., np.newaxis], _RAISES, _LOWERS)
    ground = _grey(explained.image)
    share = strength[..., np.newaxis]
    return png.written(np.rint(ground * (1 - share) + colour * share).astype(np.uint8))


def _grey(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The image's lightness, (h, w, 1), a little brighter, so that no colour of its own is taken for a tint."""
    weights = np.array([1.0]) if image.shape[2] == 1 else np.array([0.2126, 0.7152, 0.0722])
    lightness = image[..., : len(weights)] @ weights
    brighter: npt.NDArray[np.uint8] = np.rint(60 + lightness * (195 / 255)).astype(np.uint8)
    return brighter[..., np.newaxis]


def _pixels(box: Detection, width: int, height: int) -> tuple[float, float, float, float]:
    across, down = (width, height) if max(box.right, box.bottom) <= 1.0 else (1, 1)
    return box.left * across, box.top * down, box.right * across, box.bottom * down


def _outline(inside: npt.NDArray[np.bool_]) -> str:
    """The area as a path of horizontal runs, at most 160 lines high."""
    step = -(-inside.shape[0] // _MOST_LINES)
    parts = []
    for row in range(0, inside.shape[0], step):
        line = np.concatenate([[False], inside[row], [False]])
        edges = np.flatnonzero(line[1:] != line[:-1]).tolist()
        high = min(step, inside.shape[0] - row)
        parts += [
            f"M{start} {row}H{end}V{row + high}H{start}Z"
            for start, end in zip(edges[::2], edges[1::2], strict=True)
        ]
    return "".join(parts)
