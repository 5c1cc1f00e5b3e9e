"""A botocore upgrade that changes a shape of an offered operation fails here, naming the operation.

To accept the change, look at it, then run with GLASSHOUSE_TEST_UPDATE_GOLDEN=1 and commit the file.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import pathlib
from typing import Any

import pytest

from glasshouse import app
from glasshouse.kernel import model, settings
from glasshouse.kernel.model import rules
from tests.support import offered

GOLDEN = pathlib.Path(__file__).parent / "golden" / "shapes.json"
UPDATE = "GLASSHOUSE_TEST_UPDATE_GOLDEN"
SERVICES = model.Services()


def digest(rule: rules.Structure) -> str:
    """A digest of everything that the shape, and all it reaches, demands."""
    text = json.dumps(_described(rule), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _described(root: rules.Rule) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def visit(rule: rules.Rule) -> str:
        if rule.name not in found:
            found[rule.name] = None
            found[rule.name] = {"type": type(rule).__name__, **_demands(rule)}
            for name, inner in _inner(rule):
                found[rule.name][f"-> {name}"] = visit(inner)
        return rule.name

    visit(root)
    return found


def _inner(rule: rules.Rule) -> list[tuple[str, rules.Rule]]:
    if isinstance(rule, rules.Structure):
        return list(rule.members.items())
    if isinstance(rule, rules.List):
        return [("item", rule.item)]
    if isinstance(rule, rules.Map):
        return [("key", rule.key), ("value", rule.value)]
    return []


def _demands(rule: rules.Rule) -> dict[str, Any]:
    names = ("least", "most", "enum", "pattern", "integral", "required", "union")
    values = {name: getattr(rule, name) for name in names if hasattr(rule, name)}
    return {name: str(v) if isinstance(v, float) and math.isinf(v) else v for name, v in values.items()}


def digests(service: str, operation: str) -> dict[str, str]:
    known = SERVICES[service]
    return {"input": digest(known.input(operation)), "output": digest(known.output(operation))}


@pytest.fixture(scope="module")
def golden() -> dict[str, dict[str, str]]:
    if os.environ.get(UPDATE):
        content = {f"{service}.{name}": digests(service, name) for service, name in offered.OPERATIONS}
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")
    held: dict[str, dict[str, str]] = json.loads(GOLDEN.read_text())
    return held


@pytest.mark.parametrize(("service", "operation"), offered.OPERATIONS)
def test_the_shapes_of_an_offered_operation_are_those_we_know(golden, service, operation):
    assert golden.get(f"{service}.{operation}") == digests(service, operation), (
        f"botocore's {service} {operation} has changed: check what we do with it, then set {UPDATE}=1"
    )


def test_every_operation_on_offer_is_held_to_its_shapes(tmp_path):
    platform = app.assemble(settings.Settings(data=tmp_path), endpoint_url=lambda: "")
    try:
        registry = platform.registry
        on_offer = {(service, name) for service in registry.services() for name in registry.offered(service)}
    finally:
        platform.ports.store.close()
    assert on_offer <= set(offered.OPERATIONS), "add the new operations to tests/support/offered.py"


def test_a_change_deep_inside_a_shape_is_noticed():
    inner = rules.String(name="Inner", most=5)
    outer = rules.Structure(name="Outer", required=(), union=False, members={"A": inner})
    wider = rules.String(name="Inner", most=6)
    changed = rules.Structure(name="Outer", required=(), union=False, members={"A": wider})
    assert digest(outer) != digest(changed)
