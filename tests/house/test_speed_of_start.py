"""Nothing heavy is imported before it is needed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = (
    "boto3",
    "botocore",
    "sqlalchemy",
    "starlette",
    "uvicorn",
    "numpy",
    "pandas",
    "sklearn",
    "cryptography",
)


def _imported(statement: str) -> set[str]:
    program = (
        f"import json, sys\n{statement}\nprint(json.dumps(sorted({{m.split('.')[0] for m in sys.modules}})))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.slow
@pytest.mark.parametrize(
    "statement",
    ["import glasskit", "import glasshouse.__main__", "import glasshouse.__main__ as m; m.main(['version'])"],
)
def test_starting_imports_nothing_heavy(statement: str) -> None:
    assert _imported(statement).isdisjoint(HEAVY)


@pytest.mark.slow
def test_the_library_imports_nothing_of_the_platform() -> None:
    names = ("trees", "explain", "charts", "data", "algorithms")
    statement = "import importlib.util as u, importlib as i\n" + "\n".join(
        f"if u.find_spec('glasskit.{name}'): i.import_module('glasskit.{name}')" for name in names
    )
    assert "glasshouse" not in _imported(statement)
