"""The credit solution's serving half: its entities, as one object or as lines."""

import importlib
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import lightgbm
import numpy as np
import pytest

from glasshouse.solutions.credit import decisions, report, requests, synthetic
from glasskit.container import contexts
from glasskit.explain import outcomes
from tests.support import credit

ALL = f"application/json; entities={','.join(requests.ENTITIES)}"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> credit.Prepared:
    return credit.prepare(tmp_path_factory.mktemp("credit"), synthetic.applicants(400, seed=11))


@pytest.fixture(scope="module")
def artifact(prepared: credit.Prepared, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    credit.train(prepared, folder, changes={"tree-n-estimators": 60, "cv-folds": 2})
    return folder


@pytest.fixture(scope="module")
def explainer(artifact: Path) -> Iterator[ModuleType]:
    """The module as the server loads it: from the artifact's own code folder."""
    sys.path.insert(0, str(artifact / "code"))
    yield importlib.import_module("inference")
    sys.path.remove(str(artifact / "code"))
    for name in ("inference", "features", "deciding", "ways"):
        del sys.modules[name]


@pytest.fixture(scope="module")
def model(explainer: ModuleType, artifact: Path) -> Any:
    return explainer.model_fn(str(artifact))


def ask(
    explainer: ModuleType, model: Any, body: str, content_type: str = ALL, accept: str = "application/json"
) -> str:
    text: str
    text, _ = explainer.output_fn(explainer.predict_fn(explainer.input_fn(body, content_type), model), accept)
    return text


@pytest.mark.slow
def test_all_entities_are_answered(explainer: ModuleType, model: Any, prepared: credit.Prepared) -> None:
    row = prepared.rows("data_test")[0]
    answer = json.loads(ask(explainer, model, json.dumps(row)))
    names = list(answer["features"])
    assert list(answer) == [
        *("data", "features", "descriptions", "prediction", "explanation", "decision", "recourse"),
    ]
    assert answer["data"] == row
    assert list(answer["descriptions"]) == names
    assert list(answer["explanation"]) == ["expected_value", "shap_values", "shap_interaction_values"]
    assert list(answer["explanation"]["shap_values"]) == names
    assert answer["explanation"]["shap_interaction_values"]["labels"] == names
    assert np.shape(answer["explanation"]["shap_interaction_values"]["values"]) == (len(names), len(names))


@pytest.mark.slow
def test_every_explanation_adds_up_to_lightgbms_own_prediction(
    explainer: ModuleType, model: Any, prepared: credit.Prepared, artifact: Path
) -> None:
    booster = lightgbm.Booster(model_file=artifact / "model.txt")
    for row in prepared.rows("data_test")[:25]:
        answer = json.loads(ask(explainer, model, json.dumps(row)))
        explanation = answer["explanation"]
        line = np.array([list(answer["features"].values())])
        margin = explanation["expected_value"] + math.fsum(explanation["shap_values"].values())
        assert margin == pytest.approx(np.asarray(booster.predict(line, raw_score=True))[0], abs=1e-9)
        assert answer["prediction"] == pytest.approx(np.asarray(booster.predict(line))[0], abs=1e-12)
        rows = np.array(explanation["shap_interaction_values"]["values"]).sum(axis=1)
        np.testing.assert_allclose(rows, list(explanation["shap_values"].values()), atol=1e-9)


@pytest.mark.slow
def test_without_entities_the_prediction_is_answered(
    explainer: ModuleType, model: Any, prepared: credit.Prepared
) -> None:
    row = json.dumps(prepared.rows("data_test")[0])
    plain = json.loads(ask(explainer, model, row, "application/json"))
    assert list(plain) == ["prediction"]
    assert json.loads(ask(explainer, model, row, "application/json; entities=predictions")) == plain
    assert (
        json.loads(ask(explainer, model, row, 'Application/JSON; charset=utf-8; entities="prediction"'))
        == plain
    )


@pytest.mark.slow
def test_lines_are_answered_line_by_line(
    explainer: ModuleType, model: Any, prepared: credit.Prepared
) -> None:
    rows = prepared.rows("data_test")
    body = "".join(json.dumps(row) + "\n" for row in rows)
    content_type = "application/jsonlines; entities=data,prediction,explanation_shap_values"
    answers = [json.loads(line) for line in ask(explainer, model, body, content_type).splitlines()]
    alone = json.loads(ask(explainer, model, json.dumps(rows[3]), ALL))
    assert [answer["data"] for answer in answers] == rows
    assert answers[3]["prediction"] == pytest.approx(alone["prediction"], abs=1e-12)


@pytest.mark.slow
def test_an_unknown_category_is_no_error_and_no_category(
    explainer: ModuleType, model: Any, prepared: credit.Prepared
) -> None:
    row = {**prepared.rows("data_test")[0], "credit__purpose": "yacht"}
    answer = json.loads(ask(explainer, model, json.dumps(row)))
    purposes = [value for name, value in answer["features"].items() if name.startswith("credit__purpose__")]
    assert set(purposes) == {0.0}
    assert 0 < answer["prediction"] < 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content_type", "change", "complaint"),
    [
        ("text/csv", {}, "Content-Type: expected application/json"),
        ("application/json; entities=data,reasons", {}, "entities: 'reasons' is not one of data, features"),
        ("application/json; entities=", {}, "entities: '' is not one of"),
        ("application/json", {"credit__amount": "much"}, 'credit__amount: expected integer, got "much"'),
        ("application/json", {"personal__gender": "male"}, "personal__gender: the model has no such field"),
    ],
)
def test_a_bad_request_is_refused_by_what_is_wrong_with_it(
    explainer: ModuleType,
    model: Any,
    prepared: credit.Prepared,
    content_type: str,
    change: dict[str, Any],
    complaint: str,
) -> None:
    row = {**prepared.rows("data_test")[0], **change}
    with pytest.raises(explainer.InvalidRequest, match=complaint) as refusal:
        ask(explainer, model, json.dumps(row), content_type)
    assert refusal.value.status == 400


@pytest.mark.slow
def test_text_that_is_no_json_and_an_answer_nobody_can_give_are_refused(
    explainer: ModuleType, model: Any, prepared: credit.Prepared
) -> None:
    with pytest.raises(explainer.InvalidRequest, match="application: not JSON"):
        ask(explainer, model, "{", "application/json")
    with pytest.raises(explainer.InvalidRequest, match=r"Accept: .* not 'text/csv'"):
        ask(explainer, model, json.dumps(prepared.rows("data_test")[0]), accept="text/csv")


@pytest.mark.slow
def test_a_decision_reads_as_sentences_whose_numbers_agree(
    explainer: ModuleType, model: Any, prepared: credit.Prepared
) -> None:
    row = next(row for row in prepared.rows("data_test") if row[decisions.CHECKING] == decisions.BEFORE)
    before = decisions.read(json.loads(ask(explainer, model, json.dumps(row))), applicant="0badcafe")
    changed = json.dumps(decisions.counterfactual(row))
    after = decisions.read(json.loads(ask(explainer, model, changed)), applicant="0badcafe")
    assert after.prediction > before.prediction
    assert before.by_field.margin == pytest.approx(before.by_feature.margin)
    assert before.by_group.margin == pytest.approx(before.by_feature.margin)
    assert f"{100 * before.prediction:.1f} %" in before.in_words()
    assert before.in_words().startswith(f"Applicant 0badcafe asks for {row['credit__amount']:,} EUR over ")
    assert "Checking account balance were negative instead of no account" in (
        decisions.counterfactual_in_words(before, after)
    )


@pytest.mark.slow
def test_numbers_that_contradict_each_other_are_no_decision(
    explainer: ModuleType, model: Any, prepared: credit.Prepared
) -> None:
    answer = json.loads(ask(explainer, model, json.dumps(prepared.rows("data_test")[0])))
    with pytest.raises(decisions.NotAdditive):
        decisions.read({**answer, "prediction": answer["prediction"] + 0.01}, applicant="0badcafe")
    answer["decision"]["measure"]["prediction"] += 0.01
    with pytest.raises(decisions.Contradicted):
        decisions.read(answer, applicant="0badcafe")


BIAS = {
    "worst": "Nobody fares worse.",
    "chance": "0 of 3 comparisons differ.",
    "differences": [],
    "groups": [
        {"title": "g = old", "n": 3, "refused": "only 3 rows"},
        {
            **{"title": "g = young", "n": 30, "refused": ""},
            **{"approved": 0.5, "approved_others": 0.6, "repaid": 0.7, "repaid_others": 0.8},
        },
    ],
    "n_test": 33,
    "minimum_rows": 20,
}


@pytest.mark.slow
@pytest.mark.parametrize("verdict", ["approved", "declined", "left to a person"])
def test_the_report_says_what_became_of_the_application(
    explainer: ModuleType, model: Any, prepared: credit.Prepared, verdict: str
) -> None:
    lines = "".join(
        json.dumps(row) + "\n" for row in prepared.rows("data_train") + prepared.rows("data_test")
    )
    some = "application/jsonlines; entities=data,features,prediction,explanation_shap_values,decision"
    answers = [json.loads(line) for line in ask(explainer, model, lines, some).splitlines()]
    row = next(
        answer["data"]
        for answer in answers
        if decisions.verdict(outcomes.read(answer["decision"])) == verdict
    )
    before, after = (
        decisions.read(json.loads(ask(explainer, model, json.dumps(asked))), applicant="0badcafe")
        for asked in (row, decisions.counterfactual(row))
    )
    page = report.html(
        report.Content(
            before=before,
            after=after,
            population=answers[:20],
            counted="20 counted",
            policy=model.decider.known[0],
            letter=None,
            bias=BIAS,
            bias_url="https://example.org/?a=1&b=2",
            facts={},
        )
    )
    assert f"Credit application 0badcafe: {verdict}" in page
    assert ("No automatic decision" in page) == (verdict == "left to a person")
    assert ("no reasons are owed" in page) == (verdict == "approved")
    assert ("What would change the decision" in page) == (verdict == "declined")
    assert before.verdict == verdict
    assert verdict.split()[0] in before.outcome_in_words().lower() or verdict == "left to a person"
    assert "Not measured: only 3 rows." in page
    assert "?a=1&amp;b=2" in page


@pytest.mark.slow
def test_the_day_that_a_recorded_request_names_stands_in_for_the_clocks(
    explainer: ModuleType, model: Any, prepared: credit.Prepared
) -> None:
    """So a decision comes out the same when it is taken again on another day."""
    asked = explainer.input_fn(
        json.dumps(prepared.rows("data_test")[0]), "application/json; entities=decision,recourse"
    )
    (answer,) = explainer.predict_fn(
        asked, model, contexts.Context("", {explainer.DAY: "2025-06-01"})
    ).answers
    assert answer["decision"]["measure"]["on"] == "2025-06-01"
    with pytest.raises(Exception, match="No policy is in force on 2024-12-31"):
        explainer.predict_fn(asked, model, contexts.Context("", {explainer.DAY: "2024-12-31"}))
