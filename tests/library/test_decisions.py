"""Decisions come out the same, bit for bit, and what was changed is named."""

from __future__ import annotations

import datetime
import json
import math
import struct
import subprocess
import sys
from pathlib import Path

import lightgbm
import numpy as np
import pytest

from glasskit import decisions, trees
from glasskit.decisions import bundles, replaying
from glasskit.trees import portable

ON = datetime.date(2026, 3, 1)


@pytest.fixture(scope="module")
def ensemble() -> trees.Ensemble:
    chance = np.random.default_rng(5)
    rows = chance.normal(size=(600, 6))
    rows[::7, 2] = np.nan
    labels = (np.nan_to_num(rows).sum(axis=1) + chance.normal(size=600) > 0).astype(float)
    booster = lightgbm.train(
        {"objective": "binary", "num_leaves": 15, "verbose": -1, "num_threads": 1, "seed": 1},
        lightgbm.Dataset(rows, labels),
        num_boost_round=25,
    )
    return trees.load(booster)


@pytest.fixture(scope="module")
def bundle(ensemble: trees.Ensemble) -> decisions.Bundle:
    return decisions.Bundle(
        rule=decisions.Rule(threshold=0.4, adverse_name="declined", favourable_name="approved"),
        ensemble=ensemble,
    )


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    found = np.random.default_rng(6).normal(size=(40, 6))
    found[3, 1], found[4, 2] = np.nan, np.inf
    return found


def test_a_decision_holds_what_the_model_says(bundle: decisions.Bundle, rows: np.ndarray) -> None:
    found = decisions.Decider(bundle).decide(rows, on=ON)
    expected = trees.Explainer(bundle.ensemble).predict(rows)
    assert [one["prediction"] for one in found] == expected.tolist()
    assert {one["outcome"] for one in found} == {"declined", "approved"}
    for one in found:
        assert (one["outcome"] == "declined") == (one["prediction"] > 0.4)
        parts = one["explanation"]
        assert math.isclose(parts["base"] + math.fsum(parts["values"]), one["margin"], rel_tol=1e-9)


def test_one_row_and_many_come_out_the_same(bundle: decisions.Bundle, rows: np.ndarray) -> None:
    decider = decisions.Decider(bundle)
    together = decider.decide(rows, on=ON)
    alone = [decider.decide(row[None], on=ON)[0] for row in rows]
    assert json.dumps(together) == json.dumps(alone)


def test_a_decision_replays_through_json_and_bytes(bundle: decisions.Bundle, rows: np.ndarray) -> None:
    recorded = json.loads(json.dumps(decisions.Decider(bundle).decide(rows, on=ON)))
    data = bundle.to_bytes()
    again = bundles.from_bytes(data, expected=bundles.digest(data))
    decider = decisions.Decider(again)
    assert all(replaying.differences(decider, one) == [] for one in recorded)


def test_a_last_bit_that_differs_is_named(bundle: decisions.Bundle, rows: np.ndarray) -> None:
    decider = decisions.Decider(bundle)
    (one,) = decider.decide(rows[:1], on=ON)
    value = one["explanation"]["values"][2]
    (bits,) = struct.unpack("<q", struct.pack("<d", value))
    (changed,) = struct.unpack("<d", struct.pack("<q", bits ^ 1))
    one["explanation"]["values"][2] = changed
    (found,) = replaying.differences(decider, one)
    assert (found.where, found.recorded, found.replayed) == ("explanation.values[2]", changed, value)


def test_what_is_not_there_is_not_the_same_as_null_or_zero(
    bundle: decisions.Bundle, rows: np.ndarray
) -> None:
    decider = decisions.Decider(bundle)
    for name in replaying.COMPARED:
        (one,) = decider.decide(rows[:1], on=ON)
        if name in one:
            del one[name]
            assert [found.where for found in replaying.differences(decider, one)] == [name]
    (one,) = decider.decide(rows[:1], on=ON)
    one["explanation"]["more"] = None
    del one["explanation"]["values"][-1]
    one["margin"] = int(one["margin"])
    found = [difference.where for difference in replaying.differences(decider, one)]
    assert found == ["margin", "explanation.more", "explanation.values"]


def _altered(ensemble: trees.Ensemble, index: int) -> trees.Ensemble:
    """The same ensemble with one leaf of one tree changed a little."""
    import dataclasses

    tree = ensemble.trees[index]
    value = tree.value.copy()
    value[np.flatnonzero(tree.is_leaf)[0]] += 1e-9
    changed = dataclasses.replace(tree, value=value)
    return dataclasses.replace(
        ensemble, trees=(*ensemble.trees[:index], changed, *ensemble.trees[index + 1 :])
    )


def test_an_altered_leaf_names_its_tree(bundle: decisions.Bundle) -> None:
    data = bundle.to_bytes()
    head = data[: len(data) - len(portable.to_bytes(bundle.ensemble))]
    changed = head + portable.to_bytes(_altered(bundle.ensemble, 17))
    with pytest.raises(decisions.BundleUnreadable, match="tree 17 of the stored model is not the one"):
        bundles.from_bytes(changed, expected=bundles.digest(data))


def test_a_consistent_other_model_is_refused_by_its_digest(bundle: decisions.Bundle) -> None:
    other = decisions.Bundle(rule=bundle.rule, ensemble=_altered(bundle.ensemble, 3)).to_bytes()
    with pytest.raises(decisions.BundleUnreadable, match="was recorded"):
        bundles.from_bytes(other, expected=bundles.digest(bundle.to_bytes()))


@pytest.mark.parametrize("size", [0, 5, 20, 60, 500])
def test_a_bundle_that_is_cut_off_is_refused(bundle: decisions.Bundle, size: int) -> None:
    with pytest.raises(decisions.BundleUnreadable):
        bundles.from_bytes(bundle.to_bytes()[:size], expected="")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ({"treshold": 1}, "no member 'treshold'"),
        ({"threshold": "high"}, "threshold is 'high'"),
        ({"threshold": math.nan}, "threshold is nan"),
        ({"adverse": "left"}, "adverse is 'left'"),
        ({"adverse_name": ""}, "adverse_name is empty"),
        ({"policy": 3}, "policy is not a text"),
        ({"baseline": []}, "baseline is not an object"),
    ],
    ids=range(7),
)
def test_a_rule_that_cannot_be_read_names_its_member(content: dict[str, object], says: str) -> None:
    with pytest.raises(decisions.RuleInvalid, match=says):
        decisions.Rule.read(content)


@pytest.mark.slow
def test_the_program_replays_and_names_what_it_refuses(
    bundle: decisions.Bundle, rows: np.ndarray, tmp_path: Path
) -> None:
    data = bundle.to_bytes()
    digest = bundles.digest(data)
    (tmp_path / digest).write_bytes(data)
    (tmp_path / "bad").write_bytes(data)
    recorded = decisions.Decider(bundle).decide(rows[:2], on=ON)
    recorded[1]["margin"] += 1.0
    asked = [
        {"id": "a", "bundle": digest, "decision": recorded[0]},
        {"id": "b", "bundle": digest, "decision": recorded[1]},
        {"id": "c", "bundle": "bad", "decision": recorded[0]},
        {"id": "d", "bundle": "none", "decision": recorded[0]},
        {"id": "e", "bundle": digest, "decision": {}},
    ]
    done = subprocess.run(
        [sys.executable, "-m", "glasskit.decisions", str(tmp_path)],
        input="".join(json.dumps(one) + "\n" for one in asked),
        capture_output=True,
        text=True,
        check=True,
    )
    a, b, c, d, e = map(json.loads, done.stdout.splitlines())
    assert a == {"id": "a", "differences": [], "problem": ""}
    assert [one["where"] for one in b["differences"]] == ["margin"]
    assert "is refused" in c["problem"]
    assert "is not in the ledger" in d["problem"]
    assert "cannot be replayed" in e["problem"]
