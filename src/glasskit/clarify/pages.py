"""The report as one HTML file with everything inside it: no script, and no request to anywhere."""

from __future__ import annotations

import base64
import hashlib

from glasskit.charts import style
from glasskit.charts.svg import canvas
from glasskit.clarify import papers

_SHEET = (
    style.SHEET
    + "\ncaption { text-align: left; font-weight: 600; padding: .5rem 0; }\ntable { margin: 1rem 0; }\ntd { white-space: normal !important; }\n"
)


def html(paper: papers.Paper) -> str:
    """The document."""
    digest = base64.b64encode(hashlib.sha256(_SHEET.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    sections = "\n".join(_section(section) for section in paper.sections)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{canvas.escape(policy)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{canvas.escape(paper.title)}</title>\n<style>{_SHEET}</style>\n</head>\n<body>\n<main>\n"
        f'<header><h1>{canvas.escape(paper.title)}</h1><p class="subtitle">{canvas.escape(paper.subtitle)}</p></header>\n'
        f"{sections}\n</main>\n</body>\n</html>\n"
    )


def _section(section: papers.Section) -> str:
    sentences = "".join(f"<p>{canvas.escape(sentence)}</p>" for sentence in section.sentences)
    parts = "".join(
        table(part) if isinstance(part, papers.Table) else f"<figure>{part.svg}</figure>"
        for part in section.parts
    )
    return f"<section><h2>{canvas.escape(section.title)}</h2>{sentences}{parts}</section>"


def table(part: papers.Table) -> str:
    """A table with its caption."""
    head = "".join(
        f'<th scope="col"{_side(part, at)}>{canvas.escape(name)}</th>' for at, name in enumerate(part.names)
    )
    body = "".join(f"<tr>{_row(part, row)}</tr>" for row in part.rows)
    shown = f"<thead><tr>{head}</tr></thead>" if any(part.names) else ""
    return (
        f'<div class="scroll"><table><caption>{canvas.escape(part.caption)}</caption>{shown}<tbody>{body}</tbody>'
        "</table></div>"
    )


def _row(part: papers.Table, row: tuple[str, ...]) -> str:
    first = f'<th scope="row">{canvas.escape(row[0])}</th>'
    others = (f"<td{_side(part, at)}>{canvas.escape(cell)}</td>" for at, cell in enumerate(row) if at)
    return first + "".join(others)


def _side(part: papers.Table, at: int) -> str:
    return ' class="n"' if at in part.numeric else ""
