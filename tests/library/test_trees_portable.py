"""The portable form: what is written is read back, and equal models have equal bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glasskit import trees
from glasskit.trees import portable
from tests.library import tree_games

some = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@some
@given(ensemble=tree_games.random_ensembles(), rows=tree_games.random_rows())
def test_what_is_written_is_read_back(ensemble: trees.Ensemble, rows: np.ndarray) -> None:
    data = portable.to_bytes(ensemble)
    again = trees.load(data)
    assert portable.to_bytes(again) == data
    assert trees.digest(again) == trees.digest(ensemble)
    ours, theirs = (trees.Explainer(one).predict_margin(rows) for one in (ensemble, again))
    assert np.array_equal(ours, theirs)


@some
@given(ensemble=tree_games.random_ensembles(deepest=2), cut=st.integers(0, 200), flip=st.integers(0, 7))
def test_damaged_bytes_are_refused_or_another_model(ensemble: trees.Ensemble, cut: int, flip: int) -> None:
    data = portable.to_bytes(ensemble)
    cut %= len(data)
    with pytest.raises(trees.TreesError):
        portable.from_bytes(data[:cut])
    damaged = bytearray(data)
    damaged[cut] ^= 1 << flip
    try:
        read = portable.from_bytes(bytes(damaged))
    except trees.TreesError:
        return
    assert portable.to_bytes(read) != data


def leaf() -> trees.Ensemble:
    tree = trees.Tree(
        feature=[-1], test=[0], threshold=[0], missing=[0], default_left=[False], left=[-1], right=[-1],
        value=[2.5], cover=[7.0],
    )  # fmt: skip
    return trees.Ensemble(trees=(tree,), feature_names=("größe",))


def test_a_file_is_told_from_others_by_its_first_bytes(tmp_path: Path) -> None:
    trees.save(leaf(), tmp_path / "model.trees")
    assert trees.load(tmp_path / "model.trees").feature_names == ("größe",)


def test_the_digest_never_changes() -> None:
    assert trees.digest(leaf()) == "fc56bc06e36988aff95ccfb971df5758725763feada8826b1f39128efb4ab058"


def test_a_file_with_something_behind_it_is_refused() -> None:
    with pytest.raises(trees.ModelUnreadable, match="3 bytes follow"):
        trees.load(portable.to_bytes(leaf()) + b"abc")


def everything() -> trees.Ensemble:
    """An ensemble with something in every member of the format."""
    tree = trees.Tree(
        feature=[1, -1, 0, -1, -1], test=[2, 0, 1, 0, 0], threshold=[0, 0, -0.1, 0, 0], missing=[2, 0, 1, 0, 0],
        default_left=[True, False, True, False, False], left=[1, -1, 3, -1, -1], right=[2, -1, 4, -1, -1],
        value=[0, 0.1, 0, -2.5, 1e-300], cover=[9, 4, 5, 3, 2], categories={0: frozenset({7, 1, 3})}, output=1,
    )  # fmt: skip
    return trees.Ensemble(
        trees=(tree,), feature_names=("a", "b", "ü"), base_scores=(0.25, -1e17), divisor=3.0,
        link=trees.Link(name="logistic", scale=1.7), objective="o", source="s", float32_inputs=True,
        text_hashes={1: (5, 4294967295)}, levels={2: ("x", "y"), 0: (7, 2.5, True)},
    )  # fmt: skip


def test_every_member_is_written_as_it_always_was() -> None:
    data = portable.to_bytes(everything())
    header = (
        '{"base_scores":[0.25,-1e+17],"divisor":3.0,"feature_names":["a","b","ü"],"float32_inputs":true,'
        '"levels":[[0,[7,2.5,true]],[2,["x","y"]]],"link":["logistic",1.7],"objective":"o","source":"s",'
        '"text_hashes":[[1,[5,4294967295]]],"trees":[[5,1,[[0,[1,3,7]]]]]}'
    )
    assert data[24 : 24 + len(header.encode())].decode() == header
    assert len(data) == 24 + len(header.encode()) + 5 * (5 * 8 + 8 + 3)
    assert trees.digest(everything()) == "1127e5a4827fe38a05379683e3f645abceb9eae96b235f3eaa04e7e215961af9"
    assert portable.to_bytes(portable.from_bytes(data)) == data
