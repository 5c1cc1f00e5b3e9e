"""House rules that no linter knows."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
from pathlib import Path

import pytest

from glasshouse.kernel import model, registry
from tests.house import repository

LONGEST_LINES = 500
LONGEST_FUNCTION = 60
WIDE_CATCH = re.compile(r"except (Base)?Exception\b")
CATCHES_WIDE = re.compile(
    r"src/glasshouse/(doors/|kernel/work\.py|kernel/upkeep\.py|kernel/registry\.py)"
    r"|src/glasskit/(container/|trees/convert\.py)"
)
UNSAFE_LOADERS = re.compile(r"^\s*(?:import|from) (pickle|joblib|cloudpickle|dill|shelve|marshal)\b", re.M)
LOADS_PICKLES = re.compile(r"src/glasskit/((container|algorithms)/|trees/convert\.py)")
MARKS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
SILENCED = re.compile(
    r"#\s*(type: ignore|noqa|pragma: no cover)(?P<codes>\[[\w, -]+\]|: ?[A-Z0-9, ]+)?(?P<reason>.*)"
)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def test_no_module_is_longer_than_five_hundred_lines() -> None:
    lengths = {repository.shown(path): _text(path).count("\n") for path in repository.sources(".")}
    assert {name: n for name, n in lengths.items() if n > LONGEST_LINES} == {}


def test_no_function_is_longer_than_a_screen() -> None:
    long = []
    for path in repository.sources():
        for node in ast.walk(ast.parse(_text(path))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > LONGEST_FUNCTION:
                    long.append(f"{repository.shown(path)}:{node.lineno} {node.name}: {length} lines")
    assert long == []


def test_every_package_and_module_says_what_it_is_for() -> None:
    silent = [
        repository.shown(path)
        for path in repository.sources()
        if _text(path).strip() and not ast.get_docstring(ast.parse(_text(path)))
    ]
    assert silent == []


def _packages_with_a_list() -> list[str]:
    found = (path for path in repository.sources() if path.name == "__init__.py" and "__all__" in _text(path))
    return [".".join(path.parent.relative_to(repository.ROOT / "src").parts) for path in found]


@pytest.mark.parametrize("package", _packages_with_a_list())
def test_the_public_list_of_a_package_is_complete_and_true(package: str) -> None:
    module = importlib.import_module(package)
    tree = ast.parse(_text(Path(module.__file__ or "")))
    named = {
        (alias.asname or alias.name)
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{package}.")
        for alias in node.names
    }
    defined = {node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    public = {name for name in named | defined if not name.startswith("_")}
    assert sorted(public - set(module.__all__)) == []
    missing = [name for name in module.__all__ if not hasattr(module, name)]
    assert [name for name in missing if importlib.util.find_spec(f"{package}.{name}") is None] == []


def test_only_doors_and_work_loops_catch_everything() -> None:
    found = [
        repository.shown(path)
        for path in repository.sources()
        if WIDE_CATCH.search(_text(path)) and not CATCHES_WIDE.match(repository.shown(path))
    ]
    assert found == []


def test_pickles_are_opened_only_inside_jobs() -> None:
    found = [
        repository.shown(path)
        for path in repository.sources()
        if UNSAFE_LOADERS.search(_text(path)) and not LOADS_PICKLES.match(repository.shown(path))
    ]
    assert found == []


def test_nothing_is_left_to_do_in_the_sources() -> None:
    here = Path(__file__)
    found = [
        f"{repository.shown(path)}:{number}"
        for path in repository.sources(".")
        if path != here
        for number, line in enumerate(_text(path).splitlines(), start=1)
        if MARKS.search(line)
    ]
    assert found == []


def test_a_silenced_check_gives_its_code_and_its_reason() -> None:
    found = []
    for path in (*repository.sources("src"), *repository.sources("tools")):
        lines = _text(path).splitlines()
        for number, line in enumerate(lines, start=1):
            silenced = SILENCED.search(line)
            if not silenced:
                continue
            before = lines[number - 2] if line.startswith("# ruff:") else ""
            reason = silenced["reason"].strip(" -#()") or before.strip("# ")
            if not silenced["codes"] or len(reason) <= 4:
                found.append(f"{repository.shown(path)}:{number}: {line.strip()}")
    assert found == []


def _capabilities() -> list[str]:
    stages = repository.ROOT / "src" / "glasshouse" / "capabilities"
    return sorted(folder.name for folder in stages.iterdir() if (folder / "__init__.py").exists())


@pytest.mark.parametrize("name", _capabilities())
def test_a_capability_has_a_page_and_keeps_its_kinds_in_one_place(name: str) -> None:
    package = importlib.import_module(f"glasshouse.capabilities.{name}")
    folder = Path(package.__file__ or "").parent
    assert package.CAPABILITY.name == name
    assert (folder / "README.md").exists()
    assert bool(package.CAPABILITY.kinds) == (folder / "kinds.py").exists()


def test_every_test_file_lies_in_a_known_area() -> None:
    areas = {
        "library",
        "proof",
        "kernel",
        "ledger",
        "engines",
        "capabilities",
        "wire",
        "journeys",
        "crash",
        "console",
        "house",
    }
    tests = [path for path in repository.sources("tests") if path.name.startswith("test_")]
    found = {path.relative_to(repository.ROOT / "tests").parts[0] for path in tests}
    assert found <= areas


@pytest.mark.parametrize("name", _capabilities())
def test_the_page_of_a_capability_names_every_operation(name: str) -> None:
    package = importlib.import_module(f"glasshouse.capabilities.{name}")
    services = model.Services()
    own = registry.offers(services, [package.CAPABILITY]).keys() - registry.offers(services, []).keys()
    page = _text(Path(package.__file__ or "").with_name("README.md"))
    assert [operation for _, operation in sorted(own) if f"`{operation}`" not in page] == []


@pytest.mark.parametrize("name", _capabilities())
def test_the_diagram_of_a_capability_draws_its_machines(name: str) -> None:
    package = importlib.import_module(f"glasshouse.capabilities.{name}")
    page = _text(Path(package.__file__ or "").with_name("README.md"))
    drawn = {(one, other) for one, other in re.findall(r"^ *(\w+) --> (\w+)$", page, re.MULTILINE)}
    real = {
        (status, target)
        for kind in package.CAPABILITY.kinds
        if kind.states
        for status, targets in kind.states.moves.items()
        for target in targets
    }
    assert sorted(drawn - real) == []
    assert drawn or not real
