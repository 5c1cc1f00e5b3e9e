"""Bias reports: what may be asked of a table, what is answered, and what is said of bad input."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from glasskit import bias
from tests.support import credit

QUIET = bias.Options(interval="none")
TABLE = {
    "gender": ["f", "f", "f", "m", "m", "m", "m", "x"],
    "age": [20, 30, 40, 25, 35, 45, 55, 65],
    "paid": [1, 0, 0, 1, 1, 1, 0, 1],
    "said": [1, 0, 1, 1, 1, 0, 1, 0],
    "score": [0.9, 0.1, 0.6, 0.8, 0.7, 0.5, 0.55, 0.2],
    "rent": ["yes", "no", "no", "yes", "no", "no", "yes", "no"],
}
PAID = bias.Label("paid", [1], kind="categorical")
GENDER = bias.Facet("gender", ["f"])


def value(report: bias.Report, metric: str, facet: int = 0) -> float | None:
    return report.facets[facet].result(metric).value


def test_each_value_of_a_facet_is_compared_with_all_other_rows() -> None:
    report = bias.assess(TABLE, label=PAID, facets=bias.Facet("gender"), options=QUIET)
    assert [facet.title for facet in report] == ["gender = f", "gender = m", "gender = x"]
    assert [value(report, "DPL", at) for at in range(3)] == pytest.approx(
        [4 / 5 - 1 / 3, 2 / 4 - 3 / 4, 4 / 7 - 1]
    )


def test_values_together_make_one_facet() -> None:
    report = bias.assess(
        TABLE, label=PAID, facets=bias.Facet("gender", ["f", "x"], together=True), options=QUIET
    )
    assert [facet.words for facet in report] == ["f,x"]
    assert value(report, "DPL") == pytest.approx(3 / 4 - 2 / 4)


def test_a_threshold_is_exclusive_and_several_have_a_result_each() -> None:
    report = bias.assess(
        TABLE, label=PAID, facets=bias.Facet("age", [30, 45], kind="continuous"), options=QUIET
    )
    assert [facet.title for facet in report] == ["age in (30, 65]", "age in (45, 65]"]
    assert [facet.disfavoured.n_rows for facet in report] == [5, 2]


def test_a_label_may_be_a_threshold_for_observed_and_predicted_values() -> None:
    table = TABLE | {
        "income": [1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5, 8.5],
        "forecast": [9.5, 0, 0, 0, 0, 0, 0, 5.0],
    }
    report = bias.assess(
        table, label=bias.Label("income", [5.0]), facets=GENDER, predicted="forecast", options=QUIET
    )
    assert report.label_words == "(5.0, 9.5]"
    assert value(report, "DPL") == pytest.approx(4 / 5)
    assert value(report, "DPPL") == pytest.approx(-1 / 3)


def test_scores_are_favourable_above_the_probability_threshold() -> None:
    report = bias.assess(
        TABLE, label=PAID, facets=GENDER, predicted="score", probability_threshold=0.5, options=QUIET
    )
    assert value(report, "DPPL") == pytest.approx(3 / 5 - 2 / 3)


def test_distances_may_look_at_every_value_of_the_label() -> None:
    table = {"f": ["a", "a", "d", "d"], "y": ["low", "high", "mid", "mid"]}
    label = bias.Label("y", ["high", "mid"], every_value=True)
    report = bias.assess(table, label=label, facets=bias.Facet("f", ["d"]), options=QUIET)
    assert value(report, "TVD") == 1.0
    assert value(report, "JS") == pytest.approx(math.log(2))
    assert value(report, "DPL") == -0.5


@pytest.mark.parametrize(
    ("column", "wanted"),
    [
        ([1, 0, 1, 0], "1"),
        (["1", "0", "1", "0"], 1),
        ([True, False, True, False], 1),
        ([1.0, 0.0, 1.0, 0.0], "1"),
    ],
)
def test_a_value_is_known_in_other_spellings(column: list[object], wanted: object) -> None:
    table = {"f": ["a", "a", "d", "d"], "y": column}
    report = bias.assess(table, label=bias.Label("y", [wanted]), facets=bias.Facet("f", ["d"]), options=QUIET)
    assert report.whole.label_distribution == (0.5, 0.5)


def test_frames_and_arrow_tables_are_tables_too() -> None:
    frame = pd.DataFrame(TABLE)
    frame["gender"] = frame["gender"].astype("category")
    arrow = pa.table(TABLE)
    answers = [
        bias.assess(table, label=PAID, facets=GENDER, options=QUIET).to_json()
        for table in (TABLE, frame, arrow)
    ]
    assert answers[0] == answers[1] == answers[2]


def test_the_report_has_the_shape_of_analysis_json() -> None:
    report = bias.assess(
        TABLE,
        label=PAID,
        facets=[GENDER, bias.Facet("age", [40], kind="continuous")],
        predicted="said",
        group="rent",
        metrics=["DPL", "CDDL", "DI", "FT"],
        features=["rent"],
        options=QUIET,
    )
    answer = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert answer["pre_training_bias_metrics"]["label"] == "paid"
    assert answer["pre_training_bias_metrics"]["label_value_or_threshold"] == "1"
    assert list(answer["post_training_bias_metrics"]["facets"]) == ["gender", "age"]
    gender = answer["post_training_bias_metrics"]["facets"]["gender"]
    assert gender == [
        {
            "value_or_threshold": "f",
            "metrics": [
                {"name": "DI", "description": "Disparate Impact (DI)", "value": pytest.approx(10 / 9)},
                {
                    "name": "FT",
                    "description": "Flip Test (FT)",
                    "value": None,
                    "error": "feature 'rent' is not numeric",
                },
            ],
        }
    ]


def test_infinite_values_are_texts_in_json() -> None:
    table = {"f": [0, 0, 1, 1], "y": [1, 0, 1, 1], "p": [0, 0, 1, 1]}
    report = bias.assess(
        table,
        label=bias.Label("y", [1], kind="categorical"),
        facets=bias.Facet("f", [1], kind="categorical"),
        predicted="p",
        metrics=["DI", "KL"],
    )
    values = [result.to_json()["value"] for result in report.facets[0].results]
    assert values == ["Infinity", "Infinity"]


def test_small_groups_are_refused_with_the_reason() -> None:
    report = bias.assess(
        TABLE, label=PAID, facets=bias.Facet("gender"), predicted="said", options=bias.Options(minimum_rows=3)
    )
    assert (
        report.facet("gender", "x").result("DPL").error == "only 1 row with gender = x; at least 3 are needed"
    )
    assert report.facet("gender", "f").result("RD").error == "a ratio of only 1 row; at least 3 are needed"
    assert report.facet("gender", "f").result("DPL").value is not None


def test_a_facet_that_never_occurs_has_no_values_and_says_so() -> None:
    report = bias.assess(TABLE, label=PAID, facets=bias.Facet("gender", ["other"]))
    assert {result.error for result in report.facets[0].results} == {
        "there is no row with gender = other; its values are 'f', 'm', 'x'"
    }
    assert "No metric has a value" in report.summary()


def test_facets_describe_their_own_rows() -> None:
    report = bias.assess(TABLE, label=PAID, facets=GENDER, predicted="said", options=QUIET)
    d = report.facets[0].disfavoured
    assert (d.n_rows, d.proportion, d.label_distribution) == (3, 3 / 8, pytest.approx((1 / 3, 2 / 3)))
    assert d.confusion_matrix == pytest.approx((1 / 3, 1 / 3, 0, 1 / 3))
    assert {
        name: d.performance[name] for name in ("accuracy", "ppl", "precision", "recall", "specificity", "f1")
    } == (
        pytest.approx(
            {"accuracy": 2 / 3, "ppl": 2 / 3, "precision": 0.5, "recall": 1, "specificity": 0.5, "f1": 2 / 3}
        )
    )
    assert report.performance()[0]["name"] == "Accuracy"


def test_the_summary_says_in_words_who_fares_worse() -> None:
    many = {name: np.repeat(column, 100) for name, column in TABLE.items()}
    report = bias.assess(many, label=PAID, facets=GENDER, predicted="said", group="rent")
    words = report.summary()
    assert "gender = f: 300 of 800 rows (38%). 33.3% have the favourable label, against 80.0%" in words
    assert "it has the favourable label less often than the others" in words
    assert "DPL" in report.table()
    assert "<td>gender = f</td>" in report._repr_html_()


def test_rows_are_ready_for_a_data_frame() -> None:
    frame = pd.DataFrame(bias.assess(TABLE, label=PAID, facets=GENDER).rows())
    assert set(frame.columns) >= {"facet", "metric", "value", "low", "high", "error"}
    assert len(frame) == 8


def test_rows_without_a_value_are_refused_or_dropped_and_counted() -> None:
    table = TABLE | {"gender": ["f", None, "f", "m", "m", "m", None, "x"]}
    with pytest.raises(bias.Unusable, match="column 'gender' has no value in row 2, and so 1 more"):
        bias.assess(table, label=PAID, facets=GENDER)
    report = bias.assess(
        table,
        label=PAID,
        facets=GENDER,
        predicted="said",
        features=["age"],
        options=bias.Options(missing="drop", interval="none"),
    )
    assert (report.n_rows, report.n_dropped) == (6, 2)
    assert report.facets[0].result("FT").value is not None


@pytest.mark.parametrize(
    ("changed", "asked", "message"),
    [
        ({}, {"label": bias.Label("payed", [1])}, "no column 'payed'; did you mean 'paid'?"),
        ({}, {"label": bias.Label("paid", ["yes"])}, "column 'paid' never holds 'yes'; its values are 0, 1"),
        ({}, {"facets": []}, "no facet is named"),
        ({}, {"metrics": ["DPX"]}, "no bias metric 'DPX'"),
        ({}, {"metrics": ["DI"]}, "DI needs a column of predictions"),
        ({}, {"probability_threshold": 0.5}, "a probability threshold needs a column of predictions"),
        ({}, {"predicted": "score"}, "if they are scores, a probability threshold is needed"),
        (
            {},
            {"predicted": "rent"},
            "column 'rent' holds 'no', 'yes', and column 'paid' 0, 1: no value is the same",
        ),
        ({"paid": [[1, 0]] * 8}, {}, "column 'paid' has shape (8, 2); one value per row is needed"),
        ({"paid": [1, 0]}, {}, "columns differ in their number of rows"),
        (
            {"age": ["20", "30", "old", "25", "35", "45", "55", "65"]},
            {"facets": bias.Facet("age", [30], kind="continuous")},
            "column 'age' holds 'old' in row 3, which is not a number",
        ),
        ({}, {"facets": bias.Facet("age", ["old"], kind="continuous")}, "'old' is no threshold"),
    ],
)
def test_bad_input_gets_a_sentence(
    changed: dict[str, object], asked: dict[str, object], message: str
) -> None:
    arguments: dict[str, object] = {"label": PAID, "facets": GENDER, **asked}
    with pytest.raises(bias.Unusable) as refused:
        bias.assess(TABLE | changed, **arguments)  # type: ignore[arg-type]  # wrong on purpose
    assert message in str(refused.value)


def test_a_threshold_above_every_value_has_no_rows() -> None:
    report = bias.assess(TABLE, label=PAID, facets=bias.Facet("age", [99], kind="continuous"), options=QUIET)
    assert (report.facets[0].words, report.facets[0].disfavoured.n_rows) == ("(99.0, inf]", 0)


def test_the_numbers_of_rows_keep_their_interval_when_all_is_bootstrapped() -> None:
    report = bias.assess(TABLE, label=PAID, facets=GENDER, options=bias.Options(interval="bootstrap"))
    sure = report.facets[0].result("CI").interval
    assert sure is not None
    assert (sure.method, sure.low < sure.high) == ("wilson", True)


def test_questions_check_themselves() -> None:
    with pytest.raises(bias.Unusable, match="is a list of values"):
        bias.Facet("gender", "female")
    with pytest.raises(bias.Unusable, match="needs one threshold"):
        bias.Label("income", [1, 2], kind="continuous")
    with pytest.raises(bias.Unusable, match="between 0 and 1"):
        bias.Options(confidence=95)


def test_files_are_read_by_their_columns(tmp_path: Path) -> None:
    pd.DataFrame(TABLE).to_csv(tmp_path / "t.csv", index=False)
    parquet.write_table(pa.table(TABLE), tmp_path / "t.parquet")
    answers = [
        bias.from_table(
            source,
            label="paid",
            positive=["1"],
            facets=["gender=f,m", "age>30"],
            predicted="said",
            group="rent",
        ).to_json()
        for source in (tmp_path / "t.csv", str(tmp_path / "t.parquet"), TABLE)
    ]
    assert answers[0] == answers[1] == answers[2]
    assert len(answers[0]["pre_training_bias_metrics"]["facets"]["gender"]) == 2


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_bytes(b"")
    (tmp_path / "torn.csv").write_text("a,b\n1,2\n3\n")
    (tmp_path / "t.parquet").write_text("no parquet")
    for name, message in {
        "none.csv": "there is no file",
        "empty.csv": "empty.csv is empty",
        "torn.csv": "torn.csv cannot be read: .*Row #3",
        "t.parquet": "t.parquet cannot be read",
    }.items():
        with pytest.raises(bias.Unusable, match=message):
            bias.from_table(tmp_path / name, label="a", positive=[1], facets=["b"])


@pytest.mark.parametrize("text", ["=f", "gender=", "gender=f,,m"])
def test_a_facet_in_words_is_complete(text: str) -> None:
    with pytest.raises(bias.Unusable, match="is no facet"):
        bias.parse_facet(text)


def test_only_the_columns_that_are_asked_for_are_read(tmp_path: Path) -> None:
    broken = pa.table({**TABLE, "note": ["x"] * 8}).append_column("note", pa.array(["y"] * 8))
    parquet.write_table(broken, tmp_path / "t.parquet")
    report = bias.from_table(
        tmp_path / "t.parquet", label="paid", positive=[1], facets=["gender=f"], options=QUIET
    )
    assert value(report, "DPL") == pytest.approx(4 / 5 - 1 / 3)


def test_the_real_applicants_fare_by_age_and_sex() -> None:
    """German credit: 310 women of 1000, 109 of them bad risks; 690 men, 191 bad."""
    rows = [line.split() for line in credit.real_data().read_text().splitlines() if line.strip()]
    table = {
        "sex": ["female" if row[8] in ("A92", "A95") else "male" for row in rows],
        "age": [int(row[12]) for row in rows],
        "good": [int(row[20] == "1") for row in rows],
        "housing": [row[14] for row in rows],
    }
    report = bias.assess(
        table,
        label=bias.Label("good", [1]),
        facets=[bias.Facet("sex", ["female"]), bias.Facet("age", [25])],
        group="housing",
    )
    sex, age = report.facets
    assert sex.result("CI").value == pytest.approx((690 - 310) / 1000)
    assert sex.result("DPL").value == pytest.approx(499 / 690 - 201 / 310)
    assert sex.result("DPL").differs
    assert age.kind == "continuous"
    assert age.title == "age in (25, 75]"
    assert age.disfavoured.n_rows == 810
