"""The credit solution's processing scripts, run as the jobs run them."""

import io
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glasshouse.solutions.credit import statlog, synthetic, tables
from glasshouse.solutions.credit.processing import crawl
from tests.support import credit

PROTECTED = ["personal__age", "personal__gender", "personal__relationship_status"]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> credit.Prepared:
    return credit.prepare(tmp_path_factory.mktemp("credit"), synthetic.applicants(300, seed=3))


def in_pandas(datasets: Path) -> pd.DataFrame:
    """The transformation a second time, in pandas: one row per credit, by credit_id."""
    credits = pd.read_csv(datasets / "credits/part-r-00000", dtype={"person_id": str, "credit_id": str})
    contacts = pd.read_csv(datasets / "contacts/part-r-00000", dtype=str)
    people = [json.loads(line) for line in (datasets / "people/part-r-00000").read_text().splitlines()]
    flat = pd.json_normalize(people, sep="__")
    flat["personal__num_dependents"] = flat.pop("dependents").map(len)
    for account in ("checking", "savings"):
        column = f"finance__accounts__{account}__balance"
        flat[column] = flat[column].fillna("no_account")
    credits = credits.rename(columns=lambda name: name if name.endswith("_id") else f"credit__{name}")
    joined = credits.merge(flat, on="person_id", validate="one_to_one")
    with_telephone = set(contacts.loc[contacts["type"] == "telephone", "person_id"])
    joined["contact__has_telephone"] = joined["person_id"].isin(with_telephone)
    return joined.drop(columns=["employment__title", "personal__name"]).set_index("credit_id").sort_index()


def in_sql(prepared: credit.Prepared) -> pd.DataFrame:
    """What the script wrote, its parts put together again."""
    sides = []
    for side in ("train", "test"):
        parts = [pd.DataFrame(prepared.rows(f"{part}_{side}")) for part in ("applicants", "data", "label")]
        sides.append(pd.concat([*parts, pd.DataFrame(prepared.rows(f"protected_{side}"))], axis=1))
    return pd.concat(sides).set_index("credit_id").sort_index()


@pytest.mark.slow
def test_the_sql_agrees_with_pandas(prepared: credit.Prepared) -> None:
    expected = in_pandas(prepared.datasets)
    found = in_sql(prepared)
    assert sorted(found.columns) == sorted(expected.columns)
    pd.testing.assert_frame_equal(found[list(expected.columns)], expected)


@pytest.mark.slow
def test_the_sql_agrees_with_pandas_on_the_real_data(tmp_path: Path) -> None:
    prepared = credit.prepare(tmp_path, statlog.read(credit.real_data(), seed=42))
    expected = in_pandas(prepared.datasets)
    pd.testing.assert_frame_equal(in_sql(prepared)[list(expected.columns)], expected)


@pytest.mark.slow
def test_nobody_is_on_both_sides_and_everybody_on_one(prepared: credit.Prepared) -> None:
    train, test = (
        {row["person_id"] for row in prepared.rows(f"applicants_{side}")} for side in ("train", "test")
    )
    assert not train & test
    assert len(train | test) == 300
    assert 0.7 < len(train) / 300 < 0.9


@pytest.mark.slow
def test_an_applicant_stays_on_its_side_when_others_join(prepared: credit.Prepared, tmp_path: Path) -> None:
    more = credit.prepare(tmp_path, synthetic.applicants(360, seed=3))
    few_in_train = {row["person_id"] for row in prepared.rows("applicants_train")}
    many_in_train = {row["person_id"] for row in more.rows("applicants_train")}
    few = few_in_train | {row["person_id"] for row in prepared.rows("applicants_test")}
    assert few_in_train == many_in_train & few


@pytest.mark.slow
def test_another_seed_splits_otherwise(prepared: credit.Prepared, tmp_path: Path) -> None:
    other = credit.transform(tmp_path, datasets=prepared.datasets, schemas=prepared.schemas, seed=7)
    assert other.rows("applicants_test") != prepared.rows("applicants_test")


@pytest.mark.slow
def test_protected_attributes_names_and_identifiers_are_no_features(prepared: credit.Prepared) -> None:
    columns = [item["title"] for item in prepared.schema("data")["items"]]
    assert len(columns) == 20
    assert columns == sorted(columns) == list(prepared.rows("data_train")[0])
    hidden = {*PROTECTED, "personal__name", "employment__title", "person_id", "credit_id", "credit__default"}
    assert not hidden & set(columns)
    assert list(prepared.rows("protected_test")[0]) == PROTECTED


@pytest.mark.slow
def test_every_column_is_described(prepared: credit.Prepared) -> None:
    for item in [*prepared.schema("data")["items"], *prepared.schema("label")["items"]]:
        assert item["description"] != item["title"]
        assert item["x-label"] != item["title"]


@pytest.mark.slow
def test_the_crawler_knows_each_tables_format_and_types(prepared: credit.Prepared) -> None:
    schemas = {path.name: json.loads(path.read_text()) for path in prepared.schemas.iterdir()}
    credits, people, contacts = (schemas[f"{name}.schema.json"] for name in ("credits", "people", "contacts"))
    types = {name: item["type"] for name, item in credits["properties"].items()}
    assert types["person_id"] == types["purpose"] == "string"
    assert types["amount"] == types["guarantor"] == "integer"
    assert types["default"] == "boolean"
    assert {item["type"] for item in contacts["properties"].values()} == {"string"}
    assert people["x-format"] == "jsonl"
    assert people["properties"]["dependents"]["items"]["properties"]["gender"] == {"type": "string"}
    assert "required" not in people["properties"]["finance"]["properties"]["accounts"]


def test_text_that_looks_like_a_number_stays_text_when_it_is_quoted(tmp_path: Path) -> None:
    (tmp_path / "part").write_text('"id","n"\n"12345678",1\n"1e345678",2.5\n')
    properties = crawl.crawl(tmp_path)["properties"]
    assert properties == {"id": {"type": "string"}, "n": {"type": "number"}}


texts = st.text(st.characters(blacklist_characters="\x00\r", blacklist_categories=["Cs"]), max_size=8)


@settings(deadline=None)
@given(rows=st.lists(st.lists(texts, min_size=2, max_size=2), min_size=1, max_size=5))
def test_any_text_survives_writing_and_crawling(rows: list[list[str]]) -> None:
    written = tables._csv(("a", "b"), [{"a": a, "b": b} for a, b in rows]).decode()
    found = [[crawl._bare(field) for field in row] for row in crawl.csv_rows(written)]
    assert found == [["a", "b"], *rows]


scalars = st.one_of(st.integers(), st.booleans(), st.floats(allow_nan=False), st.text(max_size=4), st.none())
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(deadline=None, max_examples=30)
@given(rows=st.lists(st.dictionaries(st.text(max_size=3), values, max_size=4), min_size=1, max_size=5))
def test_the_crawler_gives_every_value_one_type(rows: list[dict[str, Any]]) -> None:
    schema = crawl._of_values(rows)
    assert schema["type"] == "object"
    assert set(schema["properties"]) == {name for row in rows for name in row}
    for name in schema.get("required", []):
        assert all(row.get(name) is not None for row in rows)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("table", "line", "complaint"),
    [
        ("credits", '"ffffffff","0badcafe",1000,12,"repairs",2,0,0,False', "unknown person 0badcafe"),
        ("contacts", '"ffffffff","0badcafe","email","a@example.org"', "unknown person 0badcafe"),
    ],
)
def test_a_row_that_belongs_to_nobody_fails_the_job(
    prepared: credit.Prepared, tmp_path: Path, table: str, line: str, complaint: str
) -> None:
    datasets = tmp_path / "datasets"
    for path in prepared.datasets.glob("*/*"):
        copy = datasets / path.relative_to(prepared.datasets)
        copy.parent.mkdir(parents=True)
        copy.write_bytes(path.read_bytes())
    with (datasets / table / "part-r-00000").open("a") as file:
        file.write(line + "\n")
    base = tmp_path / "job"
    (base / "input").mkdir(parents=True)
    (base / "input/datasets").symlink_to(datasets)
    (base / "input/schemas").symlink_to(prepared.schemas)
    result = credit.run_script("processing/transform.py", str(base), check=False)
    assert result.returncode != 0
    assert complaint in result.stderr


def test_an_empty_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "part").write_text("")
    with pytest.raises(crawl.UnreadableTable, match=f"the table {tmp_path.name} is empty"):
        crawl.crawl(tmp_path)


def test_pandas_reads_the_tables_too() -> None:
    built = tables.build(synthetic.applicants(5, seed=1), seed=1)
    frame = pd.read_csv(io.BytesIO(built.files()["credits/part-r-00000"]))
    assert frame["default"].dtype == bool
