"""The pages of the documentation, and their code blocks.

The word behind the language says what the tests do with a block:

    sh, python            run, in the order of the page, in one folder and one environment
    sh background         started and left running; the test goes on once the server answers
    python sdk-v2         run by the interpreter of .venvs/sdk-v2 (so for sdk-v3 and clients)
    sh make               each line is `make TARGET` or git; the targets must stand in the Makefile
    sh not-run            only shown; the reason stands in the sentence before it
    text, json, ...       output or illustration
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.house import repository

RUNNABLE = ("sh", "python")
ILLUSTRATION = ("text", "json", "toml", "yaml", "mermaid")
MARKS = {
    "sh": ("", "background", "make", "not-run"),
    "python": ("", "sdk-v2", "sdk-v3", "clients", "not-run"),
}
WITH_TESTS_OF_THEIR_OWN = ("docs/guides/credit-decisions.md",)
_BLOCK = re.compile(r"^```(?P<info>[^\n]*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block of a page."""

    language: str
    mark: str
    code: str
    line: int

    @property
    def runs(self) -> bool:
        return self.language in RUNNABLE and self.mark not in ("make", "not-run")


def all_pages() -> list[str]:
    return [repository.shown(path) for path in repository.files() if path.suffix == ".md"]


def blocks(page: str) -> list[Block]:
    """The blocks of a page, in order."""
    text = (repository.ROOT / page).read_text()
    found = []
    for match in _BLOCK.finditer(text):
        language, _, mark = match["info"].strip().partition(" ")
        line = text.count("\n", 0, match.start()) + 2
        found.append(Block(language=language, mark=mark, code=match["code"], line=line))
    return found


def pages_that_run() -> list[str]:
    return [
        page
        for page in all_pages()
        if page not in WITH_TESTS_OF_THEIR_OWN and any(block.runs for block in blocks(page))
    ]


def links(page: str) -> list[str]:
    """What the page links to inside the repository."""
    text = _BLOCK.sub("", (repository.ROOT / page).read_text())
    found = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)
    return [link for link in found if "://" not in link]


def resolved(page: str, link: str) -> Path:
    return (repository.ROOT / page).parent / link
