"""What must not stand in the repository: places and tools of the machine it was written on, and secrets."""

from __future__ import annotations

import re
import tomllib

import pytest

from tests.house import repository

PLACES = ("work", "farm", "root", "opt/wheels", "opt/pypi", "opt/pypi-more", "home/[a-z]+")
FORBIDDEN = {
    "a path of one machine": re.compile("|".join(f"(?<![\\w.~}}$)-])/{place}/" for place in PLACES)),
    "a workplace's tool": re.compile(
        r"\.librar" + r"y/|issues sh" + "ow|shared/des" + "ign|wire-sur" + r"face\.md"
    ),
    "an issue's number": re.compile(r"\bissue" + r" #?\d+|\(#\d+\)", re.IGNORECASE),
    "an assistant's name": re.compile(
        r"\b(anthr" + r"opic|cla" + r"ude|chat" + r"gpt|co" + r"pilot)\b", re.IGNORECASE
    ),
    "a private key": re.compile("-----BEGIN [A-Z ]*PRIVATE" + " KEY-----\n[A-Za-z0-9+/=]{20}"),
    "a package registry": re.compile(r"pypi\." + r"org|pythonhosted\." + r"org|registry\.npmjs|deb\.debian"),
}
WITH_ADDRESSES = ("uv.lock",)
ABOUT_PLACES = ("tests/engines/test_execute_escapes.py",)
"""Tests that no job reaches such a place."""


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_names(what: str) -> None:
    found = []
    for path in repository.files():
        if (
            path.name in WITH_ADDRESSES
            or path.name.endswith(".lock")
            or repository.shown(path) in ABOUT_PLACES
        ):
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{repository.shown(path)}: {match[0]!r}" for match in FORBIDDEN[what].finditer(text)]
    assert found == []


def test_the_lock_names_only_the_public_index() -> None:
    lock = tomllib.loads((repository.ROOT / "uv.lock").read_text())
    registries = {
        package["source"]["registry"] for package in lock["package"] if "registry" in package["source"]
    }
    files = {
        file["url"].split("/")[2]
        for package in lock["package"]
        for file in [*package.get("wheels", ()), *([package["sdist"]] if "sdist" in package else [])]
    }
    assert registries == {"https://pypi." + "org/simple"}
    assert files == {"files.pythonhosted." + "org"}


def test_every_locked_client_environment_is_pinned_by_hash() -> None:
    for lock in (repository.ROOT / "tests" / "sdk").glob("*.txt"):
        text = lock.read_text()
        pins = re.findall(r"^[a-z0-9].*==", text, re.MULTILINE)
        blocks = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
        assert pins
        assert all("--hash=sha256:" in block for block in blocks)
        assert not re.search(r"https?://|--(extra-)?index-url|--find-links", text)
