"""The documentation is true: its commands exist, its links lead somewhere, its code runs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house import pages, repository
from tests.support import installation

MAKE = re.compile(r"^\s*make(?: [A-Z]+=\S+)* (?P<target>[a-z-]+)", re.MULTILINE)


@pytest.mark.parametrize("page", pages.all_pages())
def test_every_code_block_says_whether_it_runs(page: str) -> None:
    unknown = [
        f"{page}:{block.line} {block.language} {block.mark}"
        for block in pages.blocks(page)
        if block.mark not in pages.MARKS.get(block.language, ("",))
        or block.language not in (*pages.RUNNABLE, *pages.ILLUSTRATION)
    ]
    assert unknown == []


@pytest.mark.parametrize("page", pages.all_pages())
def test_every_link_leads_to_a_file(page: str) -> None:
    assert [link for link in pages.links(page) if not pages.resolved(page, link).exists()] == []


def test_every_make_command_of_the_pages_is_a_target() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", (repository.ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        match["target"]
        for page in pages.all_pages()
        for block in pages.blocks(page)
        if block.language == "sh"
        for match in MAKE.finditer(block.code)
    }
    assert {"demo", "test", "setup"} <= named <= targets


def test_make_help_lists_every_target() -> None:
    done = subprocess.run(["make", "help"], cwd=repository.ROOT, capture_output=True, text=True, check=True)
    listed = set(re.findall(r"^make ([a-z-]+)", done.stdout, re.MULTILINE))
    phony = re.search(r"^\.PHONY: (.*)$", (repository.ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony
    assert listed == set(phony[1].split())


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", pages.pages_that_run())
def test_the_code_of_a_page_runs_as_it_stands(page: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / ".venv").symlink_to(repository.ROOT / ".venv")
    path = [
        repository.ROOT / ".venv" / "bin",
        repository.ROOT / ".venvs" / "clients" / "bin",
        os.environ["PATH"],
    ]
    environment = installation.environment(
        {"HOME": str(home), "PATH": ":".join(map(str, path)), "GLASSHOUSE_PORT": "0"}
    )
    blocks = [
        {"language": block.language, "mark": block.mark, "code": block.code, "line": block.line}
        for block in pages.blocks(page)
        if block.runs
    ]
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("page_runner.py"))],
        input=json.dumps({"name": page, "blocks": blocks}),
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
