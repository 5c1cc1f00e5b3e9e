"""`glasshouse explain` on a model file and a table: no server, exact values, files whole or not at all."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import time
from pathlib import Path

import catboost
import lightgbm
import numpy as np
import pandas as pd
import pytest

from glasskit import trees
from tests.support import installation, model_files

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> model_files.Files:
    return model_files.made(tmp_path_factory.mktemp("explain"))


def exact(files: model_files.Files) -> trees.Explainer:
    return trees.Explainer(trees.load(files.folder / "model.txt"))


def test_one_row_is_explained_by_the_exact_values_of_the_library(files: model_files.Files) -> None:
    done = model_files.run("explain", files.path("model.txt"), files.path("data.csv"), "--row", "7", "--json")
    assert (done.status, done.err) == (0, "")
    answer = json.loads(done.out)
    expected = exact(files).shap_values(files.rows[6:7])
    found = {one["name"]: one["contribution"] for one in answer["contributions"]}
    assert found == dict(zip(model_files.COLUMNS, expected.values[0].tolist(), strict=True))
    assert answer["prediction"] == pytest.approx(files.booster.predict(files.rows[6:7])[0], rel=1e-12)
    assert answer["base_value"] + sum(found.values()) == pytest.approx(answer["margin"], rel=1e-12)


@pytest.mark.parametrize("table", ["data.csv", "data.parquet", "data.jsonl"])
def test_a_row_is_found_by_the_value_of_a_column_in_every_format(
    files: model_files.Files, table: str
) -> None:
    done = model_files.run("explain", files.path("model.txt"), files.path(table), "--id", "id=c6", "--json")
    assert json.loads(done.out)["row"] == 7


def test_the_text_of_one_row_leads_from_the_baseline_to_the_prediction(files: model_files.Files) -> None:
    done = model_files.run("explain", files.path("model.txt"), files.path("data.csv"), "--row", "1")
    lines = done.out.splitlines()
    assert lines[0] == "Row 1 of data.csv, explained in log-odds."
    assert lines[2].startswith("  prediction")
    assert any(line.startswith("  baseline") for line in lines)
    assert "\033" not in done.out
    signs = {"+" if one > 0 else "-" for one in exact(files).shap_values(files.rows[:1]).values[0] if one}
    drawn = {mark for line in lines[3:] for mark in "+-" if mark * 2 in line}
    assert drawn <= signs


def test_all_rows_are_written_with_their_contributions(files: model_files.Files, tmp_path: Path) -> None:
    written = [tmp_path / "out.csv", tmp_path / "out.parquet"]
    options = [word for path in written for word in ("--output", str(path))]
    done = model_files.run("explain", files.path("model.txt"), files.path("data.csv"), *options)
    assert done.status == 0, done.err
    assert done.out.startswith("300 rows of data.csv, explained in log-odds")
    expected = exact(files).shap_values(files.rows)
    for found in (pd.read_csv(written[0], float_precision="round_trip"), pd.read_parquet(written[1])):
        assert list(found.columns) == ["row", "prediction", "base_value", *model_files.COLUMNS]
        assert np.array_equal(found[list(model_files.COLUMNS)].to_numpy(), expected.values)
        assert np.allclose(found["prediction"], files.booster.predict(files.rows), rtol=1e-12)
        assert found["row"].tolist() == list(range(1, 301))


def test_columns_count_as_one_by_a_file_or_by_their_names(files: model_files.Files, tmp_path: Path) -> None:
    groups = tmp_path / "groups.toml"
    groups.write_text(
        '[groups]\naccount = ["account__low", "account__high"]\n[labels]\naccount = "Checking account"\n'
    )
    base = ("explain", files.path("model.txt"), files.path("data.csv"), "--row", "3", "--json")
    by_file = json.loads(model_files.run(*base, "--groups", str(groups)).out)
    by_name = json.loads(model_files.run(*base, "--group-by", "__").out)
    assert by_file["contributions"] == by_name["contributions"]
    account = by_file["contributions"][-1]
    values = exact(files).shap_values(files.rows[2:3]).values[0]
    assert account["value"] in ("low", "high")
    assert account["contribution"] == pytest.approx(values[3] + values[4], rel=1e-12)
    text = model_files.run(*base[:-1], "--groups", str(groups)).out
    assert "Checking account = " in text


def test_interactions_of_all_rows_add_up_to_the_contributions(
    files: model_files.Files, tmp_path: Path
) -> None:
    out = tmp_path / "pairs.parquet"
    done = model_files.run(
        "explain", files.path("model.txt"), files.path("data.csv"), "--interactions", "--output", str(out)
    )
    assert done.status == 0, done.err
    sums = pd.read_parquet(out).groupby("row")["together"].sum().to_numpy()
    expected = exact(files).shap_values(files.rows).values.sum(axis=1)
    assert np.allclose(sums, expected, rtol=1e-9, atol=1e-12)


def test_a_background_changes_the_baseline(files: model_files.Files) -> None:
    base = ("explain", files.path("model.txt"), files.path("data.csv"), "--row", "3", "--json")
    answer = json.loads(model_files.run(*base, "--background", files.path("data.parquet")).out)
    margins = files.booster.predict(files.rows, raw_score=True)
    assert answer["base_value"] == pytest.approx(margins.mean(), rel=1e-9)


def test_contributions_to_the_prediction_itself_add_up_to_it(files: model_files.Files) -> None:
    base = ("explain", files.path("model.txt"), files.path("data.csv"), "--row", "3", "--json")
    without = model_files.run(*base, "--space", "prediction")
    assert without.status == 2
    assert "--background" in without.err
    answer = json.loads(
        model_files.run(*base, "--space", "prediction", "--background", files.path("data.csv")).out
    )
    total = answer["base_value"] + sum(one["contribution"] for one in answer["contributions"])
    assert total == pytest.approx(files.booster.predict(files.rows[2:3])[0], rel=1e-9)
    assert answer["base_value"] == pytest.approx(files.booster.predict(files.rows).mean(), rel=1e-9)


@pytest.mark.parametrize(
    ("name", "start"),
    [("a.html", b"<!DOCTYPE html>"), ("a.svg", b"<svg"), ("a.png", b"\x89PNG"), ("a.pdf", b"%PDF")],
)
@pytest.mark.parametrize("one", [True, False])
def test_pictures_and_reports_are_written(
    files: model_files.Files, tmp_path: Path, name: str, start: bytes, one: bool
) -> None:
    row = ["--row", "2"] if one else []
    out = tmp_path / name
    done = model_files.run(
        "explain", files.path("model.txt"), files.path("data.csv"), *row, "--output", str(out)
    )
    assert done.status == 0, done.err
    assert out.read_bytes().startswith(start)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_csv_without_a_header_has_the_models_columns_in_order(
    files: model_files.Files, tmp_path: Path
) -> None:
    bare = tmp_path / "bare.csv"
    files.table[list(model_files.COLUMNS)].to_csv(bare, header=False, index=False)
    base = ("explain", files.path("model.txt"))
    named = model_files.run(*base, files.path("data.csv"), "--row", "9", "--json")
    unnamed = model_files.run(*base, str(bare), "--no-header", "--row", "9", "--json")
    assert unnamed.out == named.out


def test_blanks_in_names_that_the_model_wrote_as_underscores_are_the_same_columns(
    files: model_files.Files, tmp_path: Path
) -> None:
    files.table.rename(columns={"account__low": "account _low"}).to_csv(tmp_path / "a.csv", index=False)
    done = model_files.run(
        "explain", files.path("model.txt"), str(tmp_path / "a.csv"), "--row", "9", "--json"
    )
    named = model_files.run(
        "explain", files.path("model.txt"), files.path("data.csv"), "--row", "9", "--json"
    )
    assert (done.status, done.out) == (0, named.out)


@pytest.fixture
def slow_work(
    files: model_files.Files, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> list[str]:
    """A command that works for some seconds: many rows, each against every row of the background."""
    many = tmp_path_factory.mktemp("many") / "many.csv"
    pd.concat([files.table] * 100).to_csv(many, index=False)
    return [
        *installation.PROGRAM,
        *("explain", files.path("model.txt"), str(many), "--space", "prediction"),
        *("--background", files.path("data.csv"), "--output", str(tmp_path / "out.csv")),
    ]


def test_an_interruption_leaves_the_old_file_and_nothing_half_written(
    slow_work: list[str], tmp_path: Path
) -> None:
    (tmp_path / "out.csv").write_text("old")
    process = subprocess.Popen(
        slow_work, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=installation.environment()
    )
    deadline = time.monotonic() + 60
    while not any(path.name.startswith(".partial") and path.stat().st_size for path in tmp_path.iterdir()):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert err == f"glasshouse: interrupted; {tmp_path / 'out.csv'} was not written\n"
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]
    assert (tmp_path / "out.csv").read_text() == "old"


def test_a_terminal_sees_how_far_the_work_is(slow_work: list[str]) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        slow_work, stdout=subprocess.DEVNULL, stderr=theirs, env=installation.environment()
    )
    os.close(theirs)
    seen = b""
    try:
        while b"of 30,000 rows" not in seen:
            seen += os.read(ours, 1024)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert b"\r[" in seen
    assert b"%  256 of 30,000 rows" in seen


@pytest.fixture(scope="module")
def categories(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, np.ndarray]]:
    """Models whose categories are texts, a table of them, and what the models themselves predict."""
    folder = tmp_path_factory.mktemp("categories")
    random = np.random.default_rng(1)
    table = pd.DataFrame({"amount": random.integers(1, 9, 300) * 1.0})
    table["housing"] = random.choice(["rent", "own", "free of charge"], 300)
    table["floor"] = random.choice([1, 2, 10], 300)
    labels = ((table.housing == "rent") * 3 + table.amount + (table.floor == 10) > 5).astype(int)
    framed = table.astype({"housing": "category", "floor": "category"})
    light = lightgbm.LGBMClassifier(n_estimators=10, verbose=-1, n_jobs=1).fit(framed, labels)
    light.booster_.save_model(folder / "light.txt")
    cat = catboost.CatBoostClassifier(
        iterations=10, depth=3, verbose=0, one_hot_max_size=10, allow_writing_files=False, thread_count=1
    )
    cat.fit(table, labels, cat_features=["housing", "floor"])
    cat.save_model(str(folder / "cat.json"), format="json")
    table.to_csv(folder / "table.csv", index=False)
    table.to_parquet(folder / "table.parquet")
    predicted = {"light.txt": light.predict_proba(framed)[:, 1], "cat.json": cat.predict_proba(table)[:, 1]}
    return folder, predicted


@pytest.mark.parametrize("model", ["light.txt", "cat.json"])
@pytest.mark.parametrize("table", ["table.csv", "table.parquet"])
def test_categories_are_read_as_the_model_knows_them(
    categories: tuple[Path, dict[str, np.ndarray]], model: str, table: str, tmp_path: Path
) -> None:
    folder, predicted = categories
    out = tmp_path / "out.parquet"
    done = model_files.run("explain", str(folder / model), str(folder / table), "--output", str(out))
    assert done.status == 0, done.err
    assert np.allclose(pd.read_parquet(out)["prediction"], predicted[model], rtol=1e-9)
    one = model_files.run("explain", str(folder / model), str(folder / table), "--row", "1")
    expected = pd.read_csv(folder / "table.csv").loc[0, "housing"]
    assert f"housing = {expected}" in one.out


def test_recourse_among_categories_gives_their_names(
    categories: tuple[Path, dict[str, np.ndarray]],
) -> None:
    folder, predicted = categories
    worst = str(int(predicted["light.txt"].argmax()) + 1)
    base = ("--row", worst, "--threshold", "0.4", "--immutable", "amount", "--json")
    done = model_files.run("recourse", str(folder / "light.txt"), str(folder / "table.csv"), *base)
    assert done.status == 0, done.err
    changes = json.loads(done.out)["options"][0]["changes"]
    assert changes["housing"]["from"] == "rent"
    assert changes["housing"]["to"] in ("own", "free of charge")
    refused = model_files.run("recourse", str(folder / "cat.json"), str(folder / "table.csv"), *base)
    assert (refused.status, refused.out) == (2, "")
    assert refused.err.startswith("glasshouse: column 'housing' holds '")


POLICY = """
format = 1
name = "Test credit"
version = "1"
effective_from = 2020-01-01
codes = "regulation-b-c1"
space = "log-odds"
baseline = "{baseline}"
adverse = "above"
threshold = 0.5
tie_tolerance = 0.0

[protected]
fields = ["age"]
share = 0.9

[reasons.amount]
code = "C-1.08"
text = "The amount you asked for is high"
[reasons.months]
code = "C-1.24"
text = "The time over which you want to repay"
[reasons.account]
code = "C-1.24"
text = "The balance of your checking account"

[fields]
amount = "amount"
months = "months"
account = "account"
"""


@pytest.mark.parametrize("baseline", ["model", "applicants"])
def test_the_principal_reasons_follow_the_policy(
    files: model_files.Files, tmp_path: Path, baseline: str
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(POLICY.format(baseline=baseline))
    worst = int(np.argmax(files.table["score"])) + 1
    base = (
        *("explain", files.path("model.txt"), files.path("data.csv")),
        *("--row", str(worst), "--reasons", str(policy)),
    )
    if baseline != "model":
        refused = model_files.run(*base)
        assert refused.status == 2
        assert "--baseline" in refused.err
        base = (*base, "--baseline", files.path("data.csv"))
    done = model_files.run(*base)
    assert done.status == 0, done.err
    assert "Declined under the policy Test credit, version 1" in done.out
    assert "1. The " in done.out
    record = json.loads(model_files.run(*base, "--json").out)["outcome"]
    assert record["outcome"] == "Declined"
    assert record["measure"]["baseline"] == baseline
