"""Datasets of an analysis in every format, and rows on their way to a model and back."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasskit.clarify import answers, asking, coding, config, datasets, faults, payloads
from tests.library.test_clarify_config import PREDICTOR, document

ROWS = [[1, 31, "f"], [0, 45, "m"], [1, 28, "f"]]


def asked(**changes: Any) -> config.Dataset:
    return config.read(document(**changes)).dataset


def no_fetch(uri: str) -> Path:
    raise AssertionError(f"{uri} was fetched")


def fetching(folder: Path, **files: str) -> Callable[[str], Path]:
    """Addresses that end in a name -> a folder with that file."""

    def fetch(uri: str) -> Path:
        place = folder / uri.rpartition("/")[2]
        place.mkdir()
        (place / "part.csv").write_text(files[place.name])
        return place

    return fetch


def read(folder: Path, text: str, **changes: Any) -> datasets.Dataset:
    folder.mkdir(exist_ok=True)
    (folder / "rows").write_text(text)
    return datasets.read(asked(**changes), folder, no_fetch)


def test_headers_of_the_configuration_name_columns_with_and_without_a_first_line(tmp_path: Path) -> None:
    plain = read(tmp_path / "a", "1,31,f\n0,45,m\n")
    named = read(tmp_path / "b", "label,age,sex\n1,31,f\n0,45,m\n")
    assert plain.frame.equals(named.frame)
    assert (plain.label, plain.features, len(plain.frame)) == ("label", ("age", "sex"), 2)


def test_names_come_from_the_first_line_or_are_made_up(tmp_path: Path) -> None:
    named = read(tmp_path / "a", "label,age,sex\n1,31,f\n", headers=None)
    assert named.features == ("age", "sex")
    plain = read(tmp_path / "b", "1,31,2\n0,45,1\n", headers=None, label=0, facet=[{"name_or_index": 2}])
    assert (plain.label, plain.features) == ("column_0", ("column_1", "column_2"))


def test_columns_that_are_no_features_are_not_sent_to_the_model(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "id,label,age,sex,said\n7,1,31,f,1\n8,0,45,m,1\n",
        headers=None,
        joinsource_name_or_index="id",
        excluded_columns=["sex"],
        predicted_label="said",
    )
    assert (found.features, found.join, found.predicted) == (("age",), "id", "said")


def test_a_folder_of_files_is_one_dataset(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "a.csv").write_text("1,31,f\n")
    (tmp_path / "deep" / "b.csv").write_text("0,45,m\n")
    (tmp_path / "_SUCCESS").write_text("")
    found = datasets.read(asked(), tmp_path, no_fetch)
    assert (found.frame["age"].tolist(), found.n_files) == ([31, 45], 2)


def test_parquet_and_json_hold_the_same_rows_as_csv(tmp_path: Path) -> None:
    wanted = read(tmp_path / "csv", "".join(",".join(map(str, row)) + "\n" for row in ROWS))
    (tmp_path / "parquet").mkdir()
    pd.DataFrame(ROWS, columns=["label", "age", "sex"]).to_parquet(tmp_path / "parquet" / "x.parquet")
    parquet = datasets.read(asked(dataset_type="application/x-parquet"), tmp_path / "parquet", no_fetch)
    assert parquet.frame.equals(wanted.frame)
    headers = ["age", "sex", "label"]
    lines = "".join(json.dumps({"data": {"x": row[1:], "y": row[0]}}) + "\n\n" for row in ROWS)
    places = {"features": "data.x", "label": "data.y", "headers": headers}
    jsonlines = read(tmp_path / "lines", lines, dataset_type="application/jsonlines", **places)
    whole = json.dumps({"rows": [{"x": row[1:], "y": row[0]} for row in ROWS]})
    places = {"features": "rows[*].x", "label": "rows[*].y", "headers": headers}
    document_ = read(tmp_path / "json", whole, dataset_type="application/json", **places)
    for found in (jsonlines, document_):
        assert (found.features, found.label) == (("age", "sex"), "label")
        assert found.frame[["label", "age", "sex"]].equals(wanted.frame)


def test_predictions_and_facets_of_other_datasets_are_joined_by_row_or_by_identifier(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "x.csv").write_text("id,label,age\n7,1,31\n8,0,45\n")
    found = datasets.read(
        asked(
            headers=None,
            joinsource_name_or_index="id",
            predicted_label_dataset_uri="s3://b/said",
            predicted_label="said",
            facet_dataset_uri="s3://b/who",
            facet_headers=["sex"],
        ),
        tmp_path / "data",
        fetching(tmp_path, said="id,said\n8,0\n7,1\n", who="f\nm\n"),
    )
    assert found.frame["said"].tolist() == [1, 0]
    assert found.frame["sex"].tolist() == ["f", "m"]
    assert (found.features, found.predicted) == (("age",), "said")


BROKEN: list[tuple[str, dict[str, Any], str]] = [
    ("", {}, "rows is empty."),
    ("1,2\n", {}, "rows has 2 columns, and headers in analysis_config.json names 3"),
    ('1,2,"3\n', {}, "cannot be read as CSV"),
    ("label,age,sex\n", {}, "The dataset has no rows"),
    (
        "1,2,3\n",
        {"label": "outcome"},
        "label names the column 'outcome', which is not there; there are label, age, sex",
    ),
    ("1,2,3\n", {"label": 3}, "label is column 3, and the dataset has 3 columns"),
    ("1,2,3\n", {"excluded_columns": ["height"]}, "excluded_columns[0] names the column 'height'"),
    ("1,2,3\n", {"excluded_columns": [1, 2]}, "No column is left as a feature"),
    ("{", {"dataset_type": "application/jsonlines", "features": "x"}, "line 1 of rows is not JSON"),
    (
        '{"x": 1}',
        {"dataset_type": "application/jsonlines", "features": "x"},
        "features 'x' finds no list of values",
    ),
    (
        '{"x": [1]}',
        {"dataset_type": "application/jsonlines", "features": "x["},
        "is not a JMESPath expression",
    ),
    (
        '{"x": [1]}',
        {"dataset_type": "application/jsonlines", "features": "x"},
        "names 3 columns; the records have 1",
    ),
    (
        '{"x":[1]}\n{"x":[1,2]}',
        {"dataset_type": "application/jsonlines", "features": "x"},
        "Record 2 of the dataset",
    ),
    ("abc", {"dataset_type": "application/x-parquet"}, "rows cannot be read as Parquet"),
]


@pytest.mark.parametrize(("text", "changes", "words"), BROKEN, ids=[words for _, _, words in BROKEN])
def test_a_dataset_that_cannot_be_used_says_why(
    tmp_path: Path, text: str, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(faults.ClarifyFault) as caught:
        read(tmp_path, text, **changes)
    assert words in str(caught.value)


def test_joined_datasets_that_do_not_fit_say_why(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "x.csv").write_text("id,label,age\n7,1,31\n8,0,45\n")
    told = {"headers": None, "predicted_label_dataset_uri": "s3://b/said"}
    with pytest.raises(faults.BadDataset, match="has 1 rows, and the dataset 2"):
        datasets.read(asked(**told), tmp_path / "data", fetching(tmp_path, said="9\n"))
    told["joinsource_name_or_index"] = "id"
    told["predicted_label_dataset_uri"] = "s3://b/other"
    with pytest.raises(faults.BadDataset, match=r"has no row whose id is 8 \(1 missing\)"):
        datasets.read(
            asked(**told, predicted_label="said"),
            tmp_path / "data",
            fetching(tmp_path, other="id,said\n7,1\n"),
        )


def test_a_baseline_has_one_value_for_each_feature(tmp_path: Path) -> None:
    dataset = read(tmp_path, "1,31,f\n0,45,m\n")
    found = datasets.baseline_rows([[30, "f"], [None, "x"]], asked(), dataset)
    assert list(found.columns) == ["age", "sex"]
    with pytest.raises(
        faults.BadConfig, match=r"methods.shap.baseline\[1\] is 3 values; the features are the 2"
    ):
        datasets.baseline_rows([[30, "f"], [1, 31, "f"]], asked(), dataset)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "base.csv").write_text("age,sex\n40,m\n")
    named = datasets.baseline_file(tmp_path / "b", asked(), dataset)
    (tmp_path / "b" / "base.csv").write_text("40,m\n")
    assert datasets.baseline_file(tmp_path / "b", asked(), dataset).equals(named)
    (tmp_path / "b" / "base.csv").write_text("1,40,m\n")
    with pytest.raises(faults.BadDataset, match="has 3 columns; the features are 2"):
        datasets.baseline_file(tmp_path / "b", asked(), dataset)


# --- rows as numbers, requests and answers


CELLS = st.one_of(st.text("ab é,\"'", max_size=4), st.booleans(), st.integers(-5, 5), st.none())


@given(
    st.lists(st.tuples(st.integers(-(10**6), 10**6), st.floats(-1e9, 1e9), CELLS), min_size=1, max_size=20)
)
def test_coded_rows_are_decoded_to_what_they_were(rows: list[tuple[Any, ...]]) -> None:
    frame = pd.DataFrame(
        {
            "whole": pd.Series([row[0] for row in rows], dtype="int64"),
            "number": pd.Series([row[1] for row in rows], dtype="float64"),
            "other": pd.Series([row[2] for row in rows] + ["x"], dtype=object)[:-1],
        }
    )
    columns = coding.learned(frame)
    found = columns.decode(columns.encode(frame))
    assert [[type(cell) for cell in row] for row in found] == [[type(cell) for cell in row] for row in rows]
    assert found == rows


def predictor(**changes: Any) -> config.Predictor:
    found = config.read(document(methods={"shap": {}}, predictor={**PREDICTOR, **changes})).predictor
    assert found is not None
    return found


TEMPLATES = [
    ("text/csv", "", "", b'1,2.5,"a,b"\n2,,x\n'),
    ("application/jsonlines", '{"x": $features}', "", b'{"x": [1, 2.5, "a,b"]}\n{"x": [2, null, "x"]}\n'),
    ("application/json", '{"rows": $records}', "$features", b'{"rows": [[1, 2.5, "a,b"],[2, null, "x"]]}'),
    (
        "application/json",
        "$records",
        '{"n": $feature_names, "a": "${a}", "c": "${c}"}',
        b'[{"n": ["a", "b", "c"], "a": 1, "c": "a,b"},{"n": ["a", "b", "c"], "a": 2, "c": "x"}]',
    ),
]


@pytest.mark.parametrize(
    ("kind", "content", "record", "body"), TEMPLATES, ids=["csv", "lines", "json", "names"]
)
def test_rows_are_written_as_the_model_wants_them(kind: str, content: str, record: str, body: bytes) -> None:
    told = {"content_type": kind, "content_template": content or None, "record_template": record or None}
    rows = [(1, 2.5, "a,b"), (2, None, "x")]
    assert list(payloads.bodies(rows, ["a", "b", "c"], predictor(**told))) == [payloads.Body(body, 2)]


def test_a_row_without_anything_in_it_still_has_a_line() -> None:
    (body,) = payloads.bodies([(None,), (-0.5,), (2,)], ["a"], predictor())
    assert body.content == b'""\n-0.5\n2\n'


@given(
    st.lists(st.tuples(st.text(max_size=6), st.floats(allow_nan=False), st.none()), min_size=1, max_size=9)
)
def test_lines_of_csv_are_read_as_what_was_written(rows: list[tuple[str, float, None]]) -> None:
    (body,) = payloads.bodies(rows, ["a", "b", "c"], predictor())
    found = list(csv.reader(io.StringIO(body.content.decode(), newline="")))
    assert [(text, float(number), other) for text, number, other in found] == [(*row[:2], "") for row in rows]


def test_a_template_of_one_record_sends_each_on_its_own() -> None:
    told = predictor(
        content_type="application/json", content_template="$record", record_template="$features_kvp"
    )
    found = list(payloads.bodies([(1, "x"), (2, "y")], ["a", "b"], told))
    assert [body.content for body in found] == [b'{"a": 1, "b": "x"}', b'{"a": 2, "b": "y"}']
    told = predictor(
        content_type="application/json", content_template="$record", record_template='{"x": ${z}}'
    )
    with pytest.raises(faults.BadConfig, match="names the feature 'z'; there are a, b"):
        list(payloads.bodies([(1, "x")], ["a", "b"], told))


def test_requests_stay_within_what_an_endpoint_takes() -> None:
    rows = [("x" * 1000, index) for index in range(12_000)]
    found = list(payloads.bodies(rows, ["a", "b"], predictor()))
    assert len(found) == 3
    assert sum(body.n_records for body in found) == 12_000
    assert all(len(body.content) <= payloads.MOST_BYTES for body in found)
    assert b"".join(body.content for body in found).count(b"\n") == 12_000


SCORES: list[tuple[dict[str, Any], str, list[list[float]]]] = [
    ({}, "0.1\n0.9\n", [[0.1], [0.9]]),
    ({}, "0.1,0.9", [[0.1], [0.9]]),
    ({}, "0.1,0.9\n0.3,0.7\n", [[0.1, 0.9], [0.3, 0.7]]),
    ({}, "[0.1,0.9],[0.3,0.7]", [[0.1, 0.9], [0.3, 0.7]]),
    ({"label": 0, "probability": 1}, 'No,"[0.8, 0.2]"\nYes,"[0.1, 0.9]"\n', [[0.8, 0.2], [0.1, 0.9]]),
    ({"accept_type": "application/jsonlines"}, '{"score": 0.1}\n{"score": 0.9}\n', [[0.1], [0.9]]),
    (
        {"accept_type": "application/jsonlines", "probability": "p"},
        '{"l": "No", "p": "[0.8, 0.2]"}\n{"l": "Yes", "p": [0.1, 0.9]}\n',
        [[0.8, 0.2], [0.1, 0.9]],
    ),
    (
        {"accept_type": "application/json"},
        '{"predictions": [{"score": 0.1}, {"score": 0.9}]}',
        [[0.1], [0.9]],
    ),
    (
        {"accept_type": "application/json", "probability": "p[*].s"},
        '{"p": [{"s": 1}, {"s": 2}]}',
        [[1.0], [2.0]],
    ),
]


@pytest.mark.parametrize(("told", "body", "wanted"), SCORES, ids=[body for _, body, _ in SCORES])
def test_scores_are_read_wherever_they_stand(
    told: dict[str, Any], body: str, wanted: list[list[float]]
) -> None:
    assert answers.scores(body.encode(), 2, predictor(**told)).tolist() == wanted


LABELS: list[tuple[dict[str, Any], str, list[object], list[object]]] = [
    ({}, "0.4\n0.6\n", [0, 1], [0, 1]),
    ({}, "0.5\n0.50001\n", [0, 1], [0, 1]),
    ({"label": 0}, "0.4\n0.6\n", [0, 1], [0, 1]),
    ({"label": 0}, "1\n0\n", [0, 1], [1.0, 0.0]),
    ({"label": 0, "probability": 1}, "yes,0.2\nno,0.9\n", ["yes", "no"], ["yes", "no"]),
    ({"label_headers": ["yes"]}, "0.4\n0.6\n", ["no", "yes"], ["no", "yes"]),
    ({"label_headers": ["cat", "dog"]}, "0.4,0.6\n0.7,0.3\n", ["cat", "dog"], ["dog", "cat"]),
    (
        {"accept_type": "application/jsonlines", "label": "l", "probability": "p"},
        '{"l": ["cat", "dog"], "p": [0.4, 0.6]}\n{"l": ["cat", "dog"], "p": [0.7, 0.3]}\n',
        ["cat", "dog"],
        ["dog", "cat"],
    ),
]


@pytest.mark.parametrize(("told", "body", "known", "wanted"), LABELS, ids=[f"{told}" for told, *_ in LABELS])
def test_the_predicted_label_is_what_the_model_says_or_what_its_scores_mean(
    told: dict[str, Any], body: str, known: list[object], wanted: list[object]
) -> None:
    assert answers.labels(body.encode(), 2, predictor(**told), threshold=0.5, known=known) == wanted


UNCLEAR: list[tuple[dict[str, Any], str, str]] = [
    ({}, "", "it is empty"),
    ({}, "0.1\n0.2\n0.3\n", "it holds 3 records and 2 were asked about"),
    ({}, "Yes\nNo\n", "is no number; name its place by predictor.probability"),
    ({"probability": 2}, "0.1,0.2\n0.3,0.4\n", "predictor.probability is column 2 and a record has 2"),
    (
        {"probability": "p"},
        "0.1\n0.2\n",
        "predictor.probability is a column's place in a CSV answer, not 'p'",
    ),
    ({"label_headers": ["a", "b", "c"]}, "0.1,0.2\n0.3,0.4\n", "predictor.label_headers names 3"),
    ({"accept_type": "application/jsonlines"}, '{"a": 1, "b": 2}\n' * 2, "name one by predictor.label"),
    ({"accept_type": "application/jsonlines", "probability": "c"}, '{"a": 1}\n' * 2, "finds nothing in it"),
    ({"accept_type": "application/json"}, "nonsense", "it is not JSON"),
]


@pytest.mark.parametrize(("told", "body", "words"), UNCLEAR, ids=[words for *_, words in UNCLEAR])
def test_an_answer_without_scores_says_what_is_missing(told: dict[str, Any], body: str, words: str) -> None:
    with pytest.raises(faults.ClarifyFault) as caught:
        answers.scores(body.encode(), 2, predictor(**told))
    assert words in str(caught.value)


def test_requests_grow_while_the_model_is_quick_and_shrink_when_it_is_slow() -> None:
    """A model that needs 20 ms a record would not answer 20,000 of them within a minute."""
    now, asked = [0.0], list[int]()

    def invoke(body: bytes) -> bytes:
        n_records = body.count(b"\n")
        asked.append(n_records)
        now[0] += n_records * (0.00001 if len(asked) < 8 else 0.02)
        return b"0.5\n" * n_records

    columns = coding.learned(pd.DataFrame({"a": [0.5]}))
    model = asking.Served(invoke=invoke, predictor=predictor(), coding=columns, clock=lambda: now[0])
    assert model.scores(np.zeros((60_000, 1))).shape == (60_000, 1)
    assert (asked[0], max(asked), sum(asked), model.n_records) == (256, payloads.MOST_RECORDS, 60_000, 60_000)
    model.scores(np.zeros((30_000, 1)))
    assert max(asked[-10:]) * 0.02 <= asking.LONG_S


def test_numbers_in_answers_survive_in_all_their_digits() -> None:
    value = float(np.nextafter(0.1, 1))
    assert answers.scores(f"{value!r}\n".encode(), 1, predictor())[0, 0] == value
