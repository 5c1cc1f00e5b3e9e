"""`glasshouse recourse` and `glasshouse bias` on files: what they print is what the library found."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from glasskit import bias
from tests.support import model_files

pytestmark = pytest.mark.slow

CONSTRAINTS = """
format = 1
immutable = ["age"]

[numbers.amount]
low = 500
high = 15000
step = 100
direction = "down"
cost_per_unit = 0.001

[numbers.months]
low = 6
high = 60
step = 1
cost_per_unit = 0.1

[one_hot.account]
options = ["high"]
costs = { high = 2 }
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> model_files.Files:
    made = model_files.made(tmp_path_factory.mktemp("recourse"))
    (made.folder / "constraints.toml").write_text(CONSTRAINTS)
    return made


@pytest.fixture(scope="module")
def worst(files: model_files.Files) -> int:
    return int(np.argmax(files.table["score"])) + 1


def test_every_option_obeys_the_file_and_the_model_agrees(files: model_files.Files, worst: int) -> None:
    done = model_files.run(
        *("recourse", files.path("model.txt"), files.path("data.csv"), "--row", str(worst)),
        *("--threshold", "0.3", "--policy", files.path("constraints.toml"), "--json"),
    )
    assert done.status == 0, done.err
    answer = json.loads(done.out)
    assert answer["status"] == "optimal"
    row = dict(zip(model_files.COLUMNS, files.rows[worst - 1].tolist(), strict=True))
    costs = []
    for option in answer["options"]:
        changed = row | {name: change["to"] for name, change in option["columns"].items()}
        assert files.booster.predict([list(changed.values())])[0] <= 0.3
        assert changed["age"] == row["age"]
        assert 500 <= changed["amount"] <= row["amount"]
        assert changed["amount"] % 100 == 0
        assert 6 <= changed["months"] <= 60
        assert changed["account__high"] >= row["account__high"]
        assert changed["account__high"] + changed["account__low"] == 1
        costs.append(option["cost"])
    assert costs == sorted(costs)


def test_the_status_and_the_changes_are_told_in_words(files: model_files.Files, worst: int) -> None:
    base = ("recourse", files.path("model.txt"), files.path("data.csv"), "--row", str(worst))
    done = model_files.run(*base, "--threshold", "0.3", "--policy", files.path("constraints.toml"))
    assert "Status: proved nearest (" in done.out
    assert "1. cost " in done.out
    assert "checked with the model; proved the nearest of its kind" in done.out
    none = model_files.run(*base, "--threshold", "0.000001", "--policy", files.path("constraints.toml"))
    assert none.status == 0
    assert "Status: proved none (" in none.out
    enough = model_files.run(*base, "--threshold", "0.999999")
    assert "nothing has to change" in enough.out


def test_without_constraints_the_table_says_what_values_there_are(
    files: model_files.Files, worst: int
) -> None:
    base = ("recourse", files.path("model.txt"), files.path("data.csv"), "--row", str(worst))
    done = model_files.run(*base, "--threshold", "0.3", "--immutable", "age", "--json")
    for option in json.loads(done.out)["options"]:
        assert set(option["changes"]) <= {"amount", "months", "account"}
        for name in ("amount", "months"):
            if name in option["columns"]:
                value = option["columns"][name]["to"]
                assert files.table[name].min() <= value <= files.table[name].max()
                assert value % math.gcd(*files.table[name].astype(int)) == 0
    assert "No constraints were given" in model_files.run(*base, "--threshold", "0.3").out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--threshold nan", "the threshold nan is no finite number"),
        ("--threshold 0.3 --time-limit 0", "the time limit 0 s"),
        ("--threshold 0.3 --diverse 0", "0 options were asked for"),
        ("--threshold 0.3 --immutable zodiac", "The constraints' immutable names 'zodiac'"),
        (
            "--threshold 0.3 --immutable age --policy constraints.toml",
            "what is immutable stands in the policy",
        ),
    ],
)
def test_questions_that_do_not_fit_are_refused(
    files: model_files.Files, words: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files.folder)
    done = model_files.run("recourse", "model.txt", "data.csv", "--row", "1", *words.split())
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"glasshouse: {sentence}")


BIAS = ("--label", "defaulted", "--positive", "0", "--facet", "group=old", "--predicted", "score")


@pytest.mark.parametrize("table", ["data.csv", "data.parquet", "data.jsonl"])
def test_bias_is_that_of_the_library_whatever_the_format(files: model_files.Files, table: str) -> None:
    done = model_files.run("bias", files.path(table), *BIAS, "--threshold", "0.5", "--group", "id", "--json")
    assert done.status == 0, done.err
    expected = bias.assess(
        files.table,
        label=bias.Label("defaulted", [0]),
        facets=bias.Facet("group", ["old"]),
        predicted="score",
        probability_threshold=0.5,
        group="id",
    )
    assert json.loads(done.out) == json.loads(json.dumps(expected.to_json()))


def test_every_metric_is_explained_in_words(files: model_files.Files) -> None:
    done = model_files.run("bias", files.path("data.csv"), *BIAS, "--threshold", "0.5", "--group", "id")
    assert done.status == 0, done.err
    for name in bias.names():
        assert f"({name}): " in done.out
    words = done.out.partition("What the metrics mean")[2]
    assert words.count("    group = old: ") == len(bias.names())


def test_small_groups_are_refused_and_files_are_written(files: model_files.Files, tmp_path: Path) -> None:
    outputs = [word for name in ("a.json", "a.html", "a.csv") for word in ("--output", str(tmp_path / name))]
    base = ("bias", files.path("data.csv"), "--label", "defaulted", "--positive", "0", "--facet", "age>70")
    done = model_files.run(*base, "--minimum-rows", "100", "--metrics", "CI,DPL", *outputs)
    assert done.status == 0, done.err
    assert "at least 100 are needed" in done.out
    found = pd.read_csv(tmp_path / "a.csv")
    assert found["metric"].tolist() == ["CI", "DPL"]
    assert found["value"].isna().all()
    assert json.loads((tmp_path / "a.json").read_text())["version"] == "1.0"
    assert "<script" not in (tmp_path / "a.html").read_text()
