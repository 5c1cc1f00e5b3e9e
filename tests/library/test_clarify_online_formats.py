"""What online explanations read and write: records, answers, expressions, configurations."""

import json
from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasskit.clarify import (
    online,
    online_answers,
    online_records,
    online_rows,
    online_settings,
    online_tables,
)
from glasskit.clarify.online_questions import Reply

BASELINE = {"ShapConfig": {"ShapBaselineConfig": {"ShapBaseline": "0,0"}}}
LINES = {
    "ShapConfig": {
        "ShapBaselineConfig": {"ShapBaseline": '{"f":[0,0]}', "MimeType": "application/jsonlines"}
    },
    "InferenceConfig": {"FeaturesAttribute": "f", "ContentTemplate": '{"f":$features}'},
}


def settings(**inference: Any) -> online_settings.Settings:
    return online_settings.read({**BASELINE, "InferenceConfig": inference})


# --- answers: the tables of the developer guide, "Pre-check the model container"


@pytest.mark.parametrize(
    ("body", "n", "inference", "expected"),
    [
        pytest.param("0.6", 1, {}, [[0.6]], id="one"),
        pytest.param("0.6,0.3", 2, {}, [[0.6], [0.3]], id="one-line"),
        pytest.param("0.6\n0.3", 2, {}, [[0.6], [0.3]], id="two-lines"),
        pytest.param("0.1,0.6,0.3", 1, {}, [[0.1, 0.6, 0.3]], id="classes"),
        pytest.param(
            "0.1,0.6,0.3\n0.2,0.5,0.3", 2, {}, [[0.1, 0.6, 0.3], [0.2, 0.5, 0.3]], id="classes-of-two"
        ),
        pytest.param("1,0.6\n0,0.3", 2, {"ProbabilityIndex": 1}, [[0.6], [0.3]], id="label-and-probability"),
        pytest.param(
            "\"['cat','dog','fish']\",\"[0.1,0.6,0.3]\"",
            1,
            {"ProbabilityIndex": 1, "LabelIndex": 0},
            [[0.1, 0.6, 0.3]],
            id="lists-in-cells",
        ),
        pytest.param("[0.1, 0.9],[0.8, 0.2]", 2, {}, [[0.1, 0.9], [0.8, 0.2]], id="xgboost-on-one-line"),
        pytest.param("[0.1, 0.9]\n[0.8, 0.2]\n", 2, {}, [[0.1, 0.9], [0.8, 0.2]], id="xgboost-in-lines"),
    ],
)
def test_csv_answers_are_read_as_documented(
    body: str, n: int, inference: dict[str, Any], expected: list[list[float]]
) -> None:
    read = settings(**inference)
    found = online_answers.documents(body.encode(), "text/csv; charset=utf-8", n)
    assert online_answers.scores(found, read).tolist() == expected
    headers = online_answers.label_headers(found, read)
    assert headers == (["cat", "dog", "fish"] if "LabelIndex" in inference else [])


def test_json_lines_answers_are_read_by_their_attributes() -> None:
    body = b'{"labels":["cat","dog"],"result":{"p":[0.1,0.9]}}\n{"labels":["cat","dog"],"result":{"p":[1,0]}}'
    read = settings(ProbabilityAttribute="result.p", LabelAttribute="labels")
    found = online_answers.documents(body, "application/jsonlines", 2)
    assert online_answers.scores(found, read).tolist() == [[0.1, 0.9], [1.0, 0.0]]
    assert online_answers.label_headers(found, read) == ["cat", "dog"]
    assert online_answers.label_headers(found, settings(LabelHeaders=["a", "b"])) == ["a", "b"]


@pytest.mark.parametrize(
    ("body", "content_type", "inference", "saying"),
    [
        pytest.param("0.1\n0.2\n0.3", "text/csv", {}, "answered 2 records with 3", id="number"),
        pytest.param("cat\ndog", "text/csv", {}, "no probability or score", id="text"),
        pytest.param("nan\n1", "text/csv", {}, "record 1 is not a finite number", id="nan"),
        pytest.param("1\n2", "text/csv", {"ProbabilityIndex": 1}, "ProbabilityIndex is 1", id="index"),
        pytest.param('{"p":1}\n{"p":2}', "application/jsonlines", {}, "ProbabilityAttribute", id="attribute"),
        pytest.param("{}\n[", "application/jsonlines", {}, "not JSON Lines", id="json"),
        pytest.param("1\n2", "application/json", {}, "'application/json' is not supported", id="type"),
        pytest.param("1,2\n3", "text/csv", {}, "different numbers of scores", id="ragged"),
    ],
)
def test_answers_that_cannot_be_explained_say_why(
    body: str, content_type: str, inference: dict[str, Any], saying: str
) -> None:
    def read() -> None:
        found = online_answers.documents(body.encode(), content_type, 2)
        online_answers.scores(found, settings(**inference))

    with pytest.raises(online_answers.BadAnswer, match=saying):
        read()


# --- EnableExplanations: the table of the developer guide


@pytest.mark.parametrize(
    ("expression", "answer", "content_type", "expected"),
    [
        ("`true`", "7", "text/csv", True),
        ("`false`", "7", "text/csv", False),
        ("[1]>`0.5`", "1,0.6", "text/csv", True),
        ("probability>`0.5`", '{"predicted_label":1,"probability":0.6}', "application/jsonlines", True),
        (
            "!contains(probabilities[:-1], max(probabilities))",
            '{"probabilities": [0.4, 0.1, 0.4], "labels":["cat","dog","fish"]}',
            "application/jsonlines",
            False,
        ),
    ],
    ids=["true", "false", "csv", "json", "function"],
)
def test_expressions_decide_as_documented(
    expression: str, answer: str, content_type: str, expected: bool
) -> None:
    is_csv = content_type == "text/csv"
    config = {**(BASELINE if is_csv else LINES), "EnableExplanations": expression}
    inference = {"ProbabilityIndex": 0} if is_csv else {"ProbabilityAttribute": "probability || `0.5`"}
    config["InferenceConfig"] = {**config.get("InferenceConfig", {}), **inference}  # type: ignore[dict-item]  # a dictionary
    n_asked = 0

    def ask(body: bytes, asked_type: str, accept: str) -> Reply:
        nonlocal n_asked
        n_asked += 1
        lines = body.decode().splitlines()
        return Reply(status=200, body="\n".join([answer] * len(lines)).encode(), content_type=content_type)

    baseline = config["ShapConfig"]["ShapBaselineConfig"]["ShapBaseline"].encode()  # type: ignore[index]  # a dictionary
    one = online.Explainer(online_rows.checked(config), baseline, ask)
    body = b"1,2" if is_csv else b'{"f":[1,2]}'
    found = one.answer(online.Asked(body=body, content_type=content_type, accept=content_type))
    assert isinstance(found, online.Explained)
    assert (json.loads(found.body)["explanations"] != {}) == expected
    assert (n_asked > 1) == expected


# --- records


cells = st.one_of(st.integers(-5, 5), st.text(max_size=8), st.booleans(), st.none(), st.floats(-9, 9))


@hypothesis.settings(max_examples=40)
@given(st.lists(st.lists(cells, min_size=2, max_size=2), min_size=1, max_size=4))
def test_json_records_written_and_read_are_the_same(rows: list[list[Any]]) -> None:
    read = online_settings.read(LINES)
    given_cells = np.empty((len(rows), 2), dtype=object)
    given_cells[:] = rows
    body = online_records.written(given_cells, "jsonlines", read.template)
    assert online_rows.read(body, "jsonlines", read, what="it") == rows


texts = st.text(st.characters(exclude_characters="\r\0", exclude_categories=["Cs"]), max_size=8)


@hypothesis.settings(max_examples=40)
@given(st.lists(st.lists(texts, min_size=2, max_size=2), min_size=1, max_size=4))
def test_csv_records_written_and_read_are_the_same(rows: list[list[str]]) -> None:
    given_cells = np.empty((len(rows), 2), dtype=object)
    given_cells[:] = rows
    body = online_records.written(given_cells, "csv", "")
    assert online_rows.read(body, "csv", settings(), what="it") == rows


@pytest.mark.parametrize(
    ("body", "form", "saying"),
    [
        pytest.param(b"", "csv", "the request has no records", id="nothing"),
        pytest.param(b"1,2\n3", "csv", "record 2 of the request has 1 features", id="ragged"),
        pytest.param(b"\xff\xfe", "csv", "not UTF-8", id="bytes"),
        pytest.param(b"{", "jsonlines", "record 1 of the request is not JSON", id="json"),
        pytest.param(b'{"g":[1]}', "jsonlines", "no list of features at 'f'", id="place"),
        pytest.param(b'{"f":[[1]]}', "jsonlines", "a list or an object", id="nested"),
        pytest.param(b'{"f":[]}', "jsonlines", "no features", id="empty"),
    ],
)
def test_records_that_cannot_be_read_are_named(body: bytes, form: online_settings.Form, saying: str) -> None:
    with pytest.raises(online_rows.BadRecords, match=saying):
        online_rows.read(body, form, online_settings.read(LINES), what="the request")


# --- tables


@pytest.mark.parametrize(
    "line",
    [b"[1, 2.5, null]", b'{"features": [1, 2.5, null]}'],
    ids=["list", "object"],
)
def test_lines_of_a_table_are_lists_or_have_features(line: bytes) -> None:
    table = online_tables.read(line, "application/jsonlines")
    np.testing.assert_array_equal(table.rows, [[1.0, 2.5, np.nan]])


def test_a_cell_that_is_no_number_is_refused() -> None:
    with pytest.raises(online.BadRequest, match="not a number"):
        online_tables.read(b"1,red", "text/csv")


# --- texts


GOOD = {"good": 0.5, "product": 0.1, "not": -0.4, "<MASK>": 0.0}


def reads_words(body: bytes, content_type: str, accept: str) -> Reply:
    """Scores a text by its words, and a second cell by its value."""
    rows = online_rows.read(body, "csv", settings(), what="it")
    scores = [sum(GOOD.get(word, 0.0) for word in row[0].split()) + 0.1 * float(row[1]) for row in rows]
    return Reply(status=200, body="\n".join(map(repr, scores)).encode(), content_type="text/csv")


@pytest.mark.parametrize("types", [{"FeatureTypes": ["text", "numerical"]}, {}], ids=["given", "inferred"])
def test_texts_are_explained_unit_by_unit_as_documented(types: dict[str, Any]) -> None:
    config = {
        "InferenceConfig": {"FeatureHeaders": ["review", "stars"], **types},
        "ShapConfig": {
            "ShapBaselineConfig": {"ShapBaseline": '"<MASK>",1'},
            "TextConfig": {"Granularity": "token", "Language": "en"},
        },
    }
    one = online.Explainer(online_rows.checked(config), b'"<MASK>",1', reads_words)
    body = b'"not a good product",3\n"good",1'
    found = one.answer(online.Asked(body=body, content_type="text/csv", accept="text/csv"))
    assert isinstance(found, online.Explained)
    first, second = json.loads(found.body)["explanations"]["kernel_shap"]
    assert found.n_calls == 2
    text, number = first
    assert [part["description"] for part in text["attributions"]] == [
        {"partial_text": "not", "start_idx": 0},
        {"partial_text": "a", "start_idx": 4},
        {"partial_text": "good", "start_idx": 6},
        {"partial_text": "product", "start_idx": 11},
    ]
    values = [part["attribution"][0] for part in text["attributions"]]
    np.testing.assert_allclose(values, [-0.4, 0.0, 0.5, 0.1], atol=1e-9)
    assert (text["feature_header"], text["feature_type"]) == ("review", "text")
    assert (number["feature_header"], number["feature_type"]) == ("stars", "numerical")
    assert number["attributions"] == [{"attribution": [pytest.approx(0.2)]}]
    assert [part["attribution"][0] for part in second[0]["attributions"]] == [pytest.approx(0.5)]
    assert second[1]["attributions"] == [{"attribution": [0.0]}]


def test_text_without_a_text_feature_is_refused() -> None:
    shap = {**BASELINE["ShapConfig"], "TextConfig": {"Granularity": "token", "Language": "en"}}
    with pytest.raises(online_settings.Refused, match="no feature of the SHAP baseline is a text"):
        online.Explainer(online_settings.read({"ShapConfig": shap}), b"0,0", reads_words)


def test_a_number_where_a_text_belongs_is_named() -> None:
    config = {
        "InferenceConfig": {**LINES["InferenceConfig"], "FeatureTypes": ["text", "numerical"]},
        "ShapConfig": {**LINES["ShapConfig"], "TextConfig": {"Granularity": "token", "Language": "en"}},
    }
    reply = Reply(status=200, body=b"1", content_type="text/csv")
    one = online.Explainer(online_settings.read(config), b'{"f":["",0]}', lambda *_: reply)
    asked = online.Asked(body=b'{"f":[1,2]}', content_type="application/jsonlines", accept="text/csv")
    with pytest.raises(online.BadRequest, match="Feature 1 of a record is 1, which is no text"):
        one.answer(asked)
