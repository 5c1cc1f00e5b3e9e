"""SVG as PNG and PDF, by typst, which is asked for nowhere else."""

from __future__ import annotations

import importlib
import pathlib
import tempfile
from typing import Literal

_POINTS_PER_INCH = 72.0
_PAGE = '#set page(width: auto, height: auto, margin: 0pt)\n#image("chart.svg", width: {width}pt)\n'
_MOST_SCALE = 10.0


class CannotDraw(RuntimeError):
    """PNG and PDF need typst, which is not installed here."""

    def __init__(self, *, format_: str) -> None:
        super().__init__(
            f"Writing {format_.upper()} needs the package typst (pip install typst); SVG and HTML need nothing."
        )


def png(svg: str, *, width: float, scale: float = 2.0) -> bytes:
    """A PNG of width x scale pixels. Raises CannotDraw where typst is not installed."""
    if not 0 < scale <= _MOST_SCALE:
        raise ValueError(f"scale is {scale}, but must be above 0 and at most {_MOST_SCALE:g}")
    return _compiled(svg, width, "png", ppi=_POINTS_PER_INCH * scale)


def pdf(svg: str, *, width: float) -> bytes:
    """A PDF of one page, a pixel of the drawing being 3/4 of a point. Raises CannotDraw without typst."""
    return _compiled(svg, width * 0.75, "pdf", ppi=None)


def _compiled(svg: str, width: float, format_: Literal["png", "pdf"], *, ppi: float | None) -> bytes:
    try:
        typst = importlib.import_module("typst")
    except ModuleNotFoundError as exc:
        raise CannotDraw(format_=format_) from exc
    with tempfile.TemporaryDirectory(prefix="glasskit-") as folder:
        here = pathlib.Path(folder)
        (here / "chart.svg").write_text(svg, encoding="utf-8")
        (here / "chart.typ").write_text(_PAGE.format(width=f"{width:g}"), encoding="utf-8")
        drawn: bytes = typst.compile(
            str(here / "chart.typ"), root=folder, format=format_, ppi=ppi, timestamp=0
        )
    return drawn
