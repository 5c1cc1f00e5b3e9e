"""Charts that show themselves in a notebook: data on the outside, its own SVG when displayed."""

from __future__ import annotations

import importlib
from typing import ClassVar


class Shown:
    """A chart as data; a notebook draws it."""

    __slots__ = ()
    drawn_by: ClassVar[str]
    """The function of `charts.svg` that draws it."""

    def _repr_svg_(self) -> str:
        drawing: str = getattr(importlib.import_module("glasskit.charts.svg"), self.drawn_by)(self)
        return drawing

    def _repr_html_(self) -> str:
        return f'<div style="max-width:100%;overflow-x:auto">{self._repr_svg_()}</div>'
