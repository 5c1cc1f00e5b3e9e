"""What every chart can do: show itself, and be written as SVG, PNG, PDF, HTML or JSON."""

from __future__ import annotations

import abc
import dataclasses
import json
import math
import os
import pathlib
import re
from collections.abc import Callable, Mapping
from typing import Any, cast

from glasskit.charts import axes, page, raster, tables
from glasskit.charts.svg import canvas, palette

_FRAME_TOOLS = 190
_NARROWEST, _WIDEST = 640, 6000
_HALVES = re.compile("[\ud800-\udfff]")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a chart is drawn. Without a title or a width it has its own."""

    axis: axes.Axis = dataclasses.field(default_factory=axes.Axis)
    title: str = ""
    width: float | None = None
    theme: palette.Theme = "light"

    def __post_init__(self) -> None:
        if self.width is not None and not _NARROWEST <= self.width <= _WIDEST:
            raise ValueError(f"width is {self.width}, but must be from {_NARROWEST} to {_WIDEST}")

    def asked(self) -> dict[str, Any]:
        """What a drawing is told: the axis, and title and width if they were asked for."""
        named = {"title": self.title} if self.title else {}
        return {"axis": self.axis, **named, **({"width": self.width} if self.width else {})}


class Shown(abc.ABC):
    """A chart as data, with its renderers. Keyword arguments of the renderers are the fields of `Look`."""

    __slots__ = ()

    @abc.abstractmethod
    def drawn(self, look: Look) -> str:
        """The drawing in the light theme."""

    @abc.abstractmethod
    def table(self) -> tables.Table:
        """The data as a table."""

    def figure(self, look: Look) -> str:
        """What stands in the figure of an interactive page: the drawing, unless a chart has something better."""
        return self.drawn(look)

    def as_dict(self) -> dict[str, object]:
        """The chart as JSON-ready data."""
        return dataclasses.asdict(cast(Any, self))

    def to_json(self) -> str:
        """The chart's data as JSON. Predictions that are infinite are null, halves of characters are escaped."""
        text = json.dumps(_finite(self.as_dict()), ensure_ascii=False, allow_nan=False)
        return _HALVES.sub(lambda found: f"\\u{ord(found[0]):04x}", text)

    def to_svg(self, **look: Any) -> str:
        """The chart as an SVG document without script, style sheet or reference to anything outside."""
        asked = _look(look)
        return palette.painted(self.drawn(asked), asked.theme)

    def to_png(self, scale: float = 2.0, **look: Any) -> bytes:
        """The chart as PNG. scale: pixels per unit of its width. Raises raster.CannotDraw without typst."""
        drawing = self.to_svg(**look)
        return raster.png(drawing, width=canvas.size_of(drawing)[0], scale=scale)

    def to_pdf(self, **look: Any) -> bytes:
        """The chart as a PDF of one page. Raises raster.CannotDraw without typst."""
        drawing = self.to_svg(**look)
        return raster.pdf(drawing, width=canvas.size_of(drawing)[0])

    def to_html(self, *, nonce: str = "", language: str = "en", **look: Any) -> str:
        """The chart as one interactive HTML file that asks nothing of anybody.

        Its own policy allows its script and its style sheet by digest; with a `nonce` they carry that
        instead, for a server that sends the policy. theme: "light" here means what the reader prefers.
        """
        asked = _look(look)
        return page.html([self.section(asked)], theme=asked.theme, nonce=nonce, language=language)

    def section(self, look: Look | None = None) -> page.Section:
        """The chart as a part of a page: `page.html` puts several on one."""
        asked = look or Look()
        return page.Section(
            title=canvas.title_of(self.drawn(asked)),
            figure=self.figure(asked),
            table=self.table().html(),
            data=self.to_json(),
        )

    def save(self, path: str | os.PathLike[str], **options: Any) -> pathlib.Path:
        """The chart written to a file whose ending says how: .svg, .png, .pdf, .html or .json."""
        target = pathlib.Path(path)
        writers: dict[str, Callable[..., str | bytes]] = {
            ".svg": self.to_svg,
            ".png": self.to_png,
            ".pdf": self.to_pdf,
            ".html": self.to_html,
            ".json": self.to_json,
        }
        if target.suffix.lower() not in writers:
            raise ValueError(f"{target.name!r} must end in one of {', '.join(writers)}")
        written = writers[target.suffix.lower()](**options)
        target.write_bytes(written if isinstance(written, bytes) else written.encode("utf-8"))
        return target

    def _repr_svg_(self) -> str:
        return self.to_svg()

    def _repr_html_(self) -> str:
        """The interactive page in a frame of its own, where a notebook's styles and scripts do not reach."""
        _, height = canvas.size_of(self.to_svg())
        return canvas.element(
            "iframe",
            " ",
            srcdoc=self.to_html(),
            sandbox="allow-scripts allow-downloads",
            width="100%",
            height=f"{height + _FRAME_TOOLS:.0f}",
            title="Chart",
            frameborder="0",
        )


def _finite(data: object) -> object:
    """The data with null for what JSON has no number for."""
    if isinstance(data, float):
        return data if math.isfinite(data) else None
    if isinstance(data, Mapping):
        return {name: _finite(part) for name, part in data.items()}
    return [_finite(part) for part in data] if isinstance(data, list | tuple) else data


def _look(asked: dict[str, Any]) -> Look:
    unknown = sorted(set(asked) - {field.name for field in dataclasses.fields(Look)})
    if unknown:
        raise TypeError(f"a chart has no option {unknown[0]!r}")
    if asked.get("axis") is None:
        asked = {name: value for name, value in asked.items() if name != "axis"}
    return Look(**asked)
