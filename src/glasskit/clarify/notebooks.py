"""The report as a notebook that shows itself without being run: format 4.5 of Jupyter's notebooks."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from glasskit.clarify import pages, papers

_READ = (
    "import json, pathlib\n\nanalysis = json.loads(pathlib.Path('analysis.json').read_text())\nlist(analysis)"
)


def ipynb(paper: papers.Paper) -> str:
    """The notebook: texts and tables as Markdown, charts as the saved output of their cells."""
    cells = [_markdown(f"# {paper.title}\n\n{paper.subtitle}")]
    for section in paper.sections:
        cells.append(_markdown("\n\n".join([f"## {section.title}", *section.sentences])))
        for part in section.parts:
            cells.append(_markdown(pages.table(part)) if isinstance(part, papers.Table) else _drawn(part))
    cells.append(_markdown("## The numbers\n\nThey stand in `analysis.json` beside this notebook."))
    cells.append(_code(_READ, []))
    for number, cell in enumerate(cells):
        cell["id"] = hashlib.sha256(f"{number}{cell['source']}".encode()).hexdigest()[:8]
    notebook = {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(notebook, indent=1) + "\n"


def _markdown(text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": text}


def _code(source: str, outputs: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {},
        "outputs": outputs,
        "source": source,
    }


def _drawn(chart: papers.Chart) -> dict[str, Any]:
    output = {
        "output_type": "display_data",
        "metadata": {},
        "data": {"image/svg+xml": chart.svg, "text/plain": chart.text},
    }
    return _code(f"# {chart.text}", [output])
