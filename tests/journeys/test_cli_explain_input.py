"""What cannot be used is refused with one sentence that names the file, the column and the row."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support import model_files

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> model_files.Files:
    made = model_files.made(tmp_path_factory.mktemp("input"), n=40)
    folder = made.folder
    lines = (folder / "data.csv").read_text().splitlines(keepends=True)
    model = (folder / "model.txt").read_text()
    wide = ",".join(f"c{at}" for at in range(1_000_000)) + "\n" + ",".join(["1"] * 1_000_000) + "\n"
    for name, text in {
        "text.csv": lines[0] + lines[1] + lines[2] + lines[3].replace(lines[3].split(",")[1], "long", 1),
        "lacks.csv": lines[0].replace("months", "Months") + lines[1],
        "twice.csv": lines[0].replace("months", "amount") + lines[1],
        "ragged.csv": "".join(lines[:5]) + "1,2\n" + "".join(lines[5:]),
        "header.csv": lines[0],
        "empty.csv": "",
        "wide.csv": wide,
        "gap.csv": "".join(lines[:3]) + lines[3].replace("old", "").replace("young", ""),
        "text.jsonl": '{"amount": 1}\n',
        "broken.jsonl": "{\n",
        "broken.parquet": "no parquet",
        "nan.txt": re.sub(r"threshold=\S+", "threshold=nan", model, count=1),
        "cut.txt": model[: len(model) // 2],
        "odd.json": '{"a": 1}',
        "notes.txt": "a shopping list\n",
        "wrong.toml": "format = 1\nspeed = 3\n",
        "badly.toml": "format = \n",
        "no_column.toml": "format = 1\n[numbers.zodiac]\n",
        "both.toml": 'format = 1\nimmutable = ["age"]\n[numbers.age]\n',
        "odd_groups.toml": '[groups]\na = ["zodiac"]\n',
    }.items():
        (folder / name).write_text(text)
    (folder / "latin.csv").write_bytes(lines[0].encode() + b"\xff" + lines[1].encode())
    (folder / "folder.csv").mkdir()
    return made


def refused(done: model_files.Done) -> str:
    """The one sentence."""
    assert done.status == 2, done
    assert done.out == ""
    assert "Traceback" not in done.err
    assert done.err.startswith("glasshouse: ")
    assert done.err.count("\n") == 1, done.err
    return done.err.removeprefix("glasshouse: ").strip()


TABLES = {
    "text.csv": "text.csv holds 'long' in row 3 of column 'months', which is not a number",
    "lacks.csv": "lacks.csv lacks the column 'months'; did you mean 'Months'?",
    "twice.csv": "2 columns of twice.csv are called 'amount'",
    "ragged.csv": "ragged.csv has 2 cells in row 5, and 9 columns are named",
    "header.csv": "header.csv has no rows",
    "empty.csv": "empty.csv is empty",
    "wide.csv": "wide.csv lacks the column 'amount' (5 missing in all); it has 1,000,000 columns: 'c0',",
    "latin.csv": "latin.csv holds '",
    "text.jsonl": "text.jsonl lacks the column 'months'",
    "broken.jsonl": "broken.jsonl is no JSON in row 1",
    "broken.parquet": "broken.parquet is no readable Parquet file",
    "folder.csv": "there is no file",
    "nowhere.csv": "there is no file",
    "model.txt": "model.txt is no table; its name must end in .csv",
}


@pytest.mark.parametrize("table", sorted(TABLES))
def test_a_table_that_cannot_be_used(files: model_files.Files, table: str) -> None:
    sentence = refused(model_files.run("explain", files.path("model.txt"), files.path(table)))
    if table != "latin.csv":
        assert sentence.startswith(TABLES[table])
    asked = ("--row", "1", "--threshold", "0.5")
    other = refused(model_files.run("recourse", files.path("model.txt"), files.path(table), *asked))
    assert other == sentence


MODELS = {
    "nan.txt": "nan.txt: This is not a readable LightGBM text model: tree 0: the threshold of its node 0, which asks for",
    "cut.txt": "cut.txt: This is not a readable LightGBM text model",
    "odd.json": "odd.json: This is not a readable XGBoost model",
    "notes.txt": "notes.txt: This is not a readable LightGBM text model",
    "empty.csv": "empty.csv is empty",
    "folder.csv": "folder.csv is no file",
    "nowhere.txt": "there is no file",
}


@pytest.mark.parametrize("model", sorted(MODELS))
def test_a_model_that_cannot_be_read(files: model_files.Files, model: str) -> None:
    sentence = refused(model_files.run("explain", files.path(model), files.path("data.csv")))
    assert sentence.removeprefix(f"{files.folder}/").startswith(MODELS[model])


QUESTIONS = {
    "--row 0": "there is no row 0, only 1 to 40",
    "--row 41": "there is no row 41, only 1 to 40",
    "--id id": "'id' is no COLUMN=VALUE",
    "--id id=nobody": "no row has the value 'nobody' in column 'id'",
    "--id group=old": "rows ",
    "--id zodiac=1": "data.csv lacks the column 'zodiac'",
    "--class 2": "the model has one output",
    "--output out.txt": "out.txt must end in one of",
    "--output data.csv": "",
    "--output nowhere/out.csv": "there is no folder nowhere",
    "--reasons policy.toml": "reasons are those of one decision",
    "--row 1 --reasons nowhere.toml": "there is no file nowhere.toml",
    "--groups nowhere.toml": "there is no file nowhere.toml",
    "--groups DIR/badly.toml": "badly.toml is no readable TOML",
    "--groups DIR/wrong.toml": "wrong.toml has 'format'",
    "--groups DIR/odd_groups.toml": "odd_groups.toml: the group 'a' has 'zodiac'",
    "--space prediction": "contributions to the prediction itself are measured against rows",
}


@pytest.mark.parametrize("asked", sorted(QUESTIONS))
def test_a_question_that_does_not_fit(
    files: model_files.Files, asked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.csv").write_text((files.folder / "data.csv").read_text())
    words = asked.replace("DIR", str(files.folder)).split()
    sentence = refused(model_files.run("explain", files.path("model.txt"), "data.csv", *words))
    assert sentence.startswith(QUESTIONS[asked])
    assert [path.name for path in tmp_path.iterdir()] == ["data.csv"]


POLICIES = {
    "wrong.toml": "The constraints' speed is not one of format, most_changes",
    "badly.toml": "The constraints' text is not TOML",
    "no_column.toml": "The lever 'zodiac' sets 'zodiac', which is no column of the model",
    "both.toml": "The constraints' immutable names 'age', which the entry 'age' would change",
    "nowhere.toml": "there is no file",
}


@pytest.mark.parametrize("policy", sorted(POLICIES))
def test_constraints_that_cannot_be_used(files: model_files.Files, policy: str) -> None:
    base = ("recourse", files.path("model.txt"), files.path("data.csv"), "--row", "1", "--threshold", "0.3")
    assert refused(model_files.run(*base, "--policy", files.path(policy))).startswith(POLICIES[policy])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("data.csv --label zodiac --positive 1 --facet group", "there is no column 'zodiac'"),
        (
            "data.csv --label defaulted --positive maybe --facet group",
            "column 'defaulted' never holds 'maybe'",
        ),
        ("data.csv --label defaulted --positive 1 --facet =", "'=' is no facet"),
        (
            "data.csv --label defaulted --positive 1 --facet group --metrics XX",
            "there is no bias metric 'XX'",
        ),
        ("data.csv --label defaulted --positive 1 --facet group --confidence 2", "confidence 2.0 does not"),
        ("data.csv --label defaulted --positive 1 --facet group --metrics RD", "RD needs a column of"),
        ("gap.csv --label defaulted --positive 1 --facet group", "column 'group' has no value in row 3"),
        ("text.csv --label defaulted --positive 1 --facet months>3", "column 'months' holds 'long' in row 3"),
        ("ragged.csv --label defaulted --positive 1 --facet group", "ragged.csv has 2 cells in row 5"),
        ("empty.csv --label defaulted --positive 1 --facet group", "empty.csv is empty"),
        ("nowhere.csv --label defaulted --positive 1 --facet group", "there is no file nowhere.csv"),
    ],
)
def test_a_question_about_bias_that_cannot_be_answered(
    files: model_files.Files, words: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files.folder)
    assert refused(model_files.run("bias", *words.split())).startswith(sentence)


def test_a_million_columns_are_read_when_those_of_the_model_are_there(
    files: model_files.Files, tmp_path: Path
) -> None:
    names = [*(f"c{at}" for at in range(1_000_000)), *model_files.COLUMNS]
    cells = ["x"] * 1_000_000 + [repr(value) for value in files.rows[0].tolist()]
    (tmp_path / "wide.csv").write_text(",".join(names) + "\n" + ",".join(cells) + "\n")
    base = ("--row", "1", "--json")
    wide = model_files.run("explain", files.path("model.txt"), str(tmp_path / "wide.csv"), *base)
    assert wide.status == 0, wide.err
    assert wide.out == model_files.run("explain", files.path("model.txt"), files.path("data.csv"), *base).out
