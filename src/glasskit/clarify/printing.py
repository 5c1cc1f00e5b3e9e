"""The report as PDF, written by typst: headings, tables with heads, and charts that are described in words."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any, Literal

import typst

from glasskit.clarify import papers

_TEMPLATE = """
#let report = json("report.json")
#set document(title: report.title)
#set page(paper: "a4", margin: (x: 18mm, y: 20mm), numbering: "1 / 1")
#set text(size: 9.5pt, lang: "en")
#set par(justify: false)
#show heading.where(level: 1): set text(size: 18pt)
#show heading.where(level: 2): it => block(above: 1.6em, below: 0.8em, text(size: 13pt, it.body))
#heading(level: 1, report.title)
#text(fill: luma(90))[#report.subtitle]
#for section in report.sections [
  #heading(level: 2, section.title)
  #for sentence in section.sentences { par(sentence) }
  #for part in section.parts {
    if part.kind == "chart" {
      figure(image(part.file, width: 100%, alt: part.text), alt: part.text)
    } else {
      block(above: 1.2em, below: 0.5em, sticky: true, strong(part.caption))
      let cells = part.rows.flatten().map(cell => text(hyphenate: true, cell))
      table(
        columns: part.columns.map(share => share * 1fr),
        stroke: (x, y) => (bottom: 0.4pt + luma(190)),
        inset: (x: 3pt, y: 3.5pt),
        align: (x, y) => if part.numeric.contains(x) { right } else { left },
        ..if part.names.any(name => name != "") { (table.header(..part.names.map(strong)),) },
        ..cells,
      )
    }
  }
]
"""
_STANDARD: Literal["ua-1"] = "ua-1"
"""PDF/UA-1: tagged, so that screen readers can follow it."""


def pdf(paper: papers.Paper) -> bytes:
    """The document. The same paper gives the same bytes."""
    with tempfile.TemporaryDirectory(prefix="report-") as name:
        folder = Path(name)
        (folder / "report.typ").write_text(_TEMPLATE, encoding="utf-8")
        (folder / "report.json").write_text(json.dumps(_document(paper, folder)), encoding="utf-8")
        drawn: bytes = typst.compile(
            str(folder / "report.typ"), root=name, format="pdf", pdf_standards=_STANDARD, timestamp=0
        )
        return drawn


def _document(paper: papers.Paper, folder: Path) -> dict[str, Any]:
    charts: list[papers.Chart] = []

    def part(one: papers.Table | papers.Chart) -> dict[str, Any]:
        if isinstance(one, papers.Table):
            return {
                "kind": "table",
                "caption": one.caption,
                "names": one.names,
                "rows": one.rows,
                "numeric": one.numeric,
                "columns": _widths(one),
            }
        charts.append(one)
        file = f"chart-{len(charts)}.svg"
        (folder / file).write_text(one.svg, encoding="utf-8")
        return {"kind": "chart", "file": file, "text": one.text}

    return {
        "title": paper.title,
        "subtitle": paper.subtitle,
        "sections": [
            {"title": one.title, "sentences": one.sentences, "parts": [part(each) for each in one.parts]}
            for one in paper.sections
        ],
    }


def _widths(table: papers.Table) -> list[int]:
    """Shares of the width after the longest text of each column, none too narrow or too wide."""
    return [
        min(40, max(9, *(len(line[at]) for line in papers.lines(table)))) for at in range(len(table.names))
    ]
