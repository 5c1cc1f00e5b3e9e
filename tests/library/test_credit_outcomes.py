"""The credit solution decides by the bank's policy, gives true reasons, and proposes only what holds."""

from __future__ import annotations

import datetime
import importlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from glasshouse.solutions.credit import decisions, synthetic
from glasshouse.solutions.credit.training import deciding, features, ways
from glasskit import trees
from glasskit.explain import outcomes, policies, reasons
from tests.support import credit

pytestmark = pytest.mark.slow
SHIPPED = credit.HERE / "policies"
DAY = datetime.date(2026, 6, 1)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> credit.Prepared:
    return credit.prepare(tmp_path_factory.mktemp("credit"), synthetic.applicants(500, seed=11))


@pytest.fixture(scope="module")
def artifact(prepared: credit.Prepared, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    credit.train(prepared, folder, changes={"tree-n-estimators": 80, "cv-folds": 2})
    return folder


@pytest.fixture(scope="module")
def decider(artifact: Path) -> deciding.Decider:
    return deciding.load(
        artifact / "policies",
        encoder=features.Encoder.load(artifact / "preprocessor.json"),
        explainer=trees.Explainer(trees.load(artifact / "model.txt")),
    )


@pytest.fixture(scope="module")
def rows(prepared: credit.Prepared) -> list[dict[str, Any]]:
    return prepared.rows("data_train") + prepared.rows("data_test")


@pytest.fixture(scope="module")
def decided(decider: deciding.Decider, rows: list[dict[str, Any]]) -> list[reasons.Outcome]:
    return decider.outcomes(rows, on=DAY)


def test_the_threshold_decides_and_every_decline_has_reasons(
    decider: deciding.Decider, rows: list[dict[str, Any]], decided: list[reasons.Outcome]
) -> None:
    policy = decider.policy(DAY)
    risks = decider.explainer.predict(decider.encoder.transform(rows))
    assert {type(outcome) for outcome in decided} == {
        outcomes.Approved,
        outcomes.Declined,
        outcomes.NotDecided,
    }
    for risk, outcome in zip(risks.tolist(), decided, strict=True):
        assert not (isinstance(outcome, outcomes.Approved) and risk > policy.threshold)
        if isinstance(outcome, outcomes.Declined):
            assert risk > policy.threshold
            assert 1 <= len(outcome.reasons) <= policy.most_reasons


def test_a_reason_is_what_its_field_contributes_beyond_the_approved(
    decider: deciding.Decider, prepared: credit.Prepared, rows: list[dict[str, Any]]
) -> None:
    train = decider.encoder.transform(prepared.rows("data_train"))
    approved = decider.explainer.predict(train) <= decider.policy(DAY).threshold
    usual = decider.explainer.shap_values(train).values[approved].mean(axis=0)
    fields = list(decider.encoder.fields().values())
    matrix = decider.encoder.transform(rows)
    own = decider.explainer.shap_values(matrix).values - usual
    for at, outcome in enumerate(decider.outcomes(rows[:80], on=DAY)):
        assert outcome.measure.baseline_rows == approved.sum()
        for reason in outcome.reasons if isinstance(outcome, outcomes.Declined) else ():
            members = np.isin(fields, reason.fields)
            assert reason.contribution == pytest.approx(own[at][members].sum(), abs=1e-9)
            assert {name: rows[at][name] for name in reason.fields} == reason.data


def test_what_is_protected_is_never_a_reason(
    decider: deciding.Decider, decided: list[reasons.Outcome]
) -> None:
    protected = set(decider.policy(DAY).protected.fields)
    shown = {
        name
        for outcome in decided
        if isinstance(outcome, outcomes.Declined)
        for reason in outcome.reasons
        for name in reason.fields
    }
    assert len(shown) > 8
    assert not shown & protected


def test_what_hangs_on_a_small_change_is_left_to_a_person(
    decider: deciding.Decider, rows: list[dict[str, Any]], decided: list[reasons.Outcome]
) -> None:
    found = [
        row
        for row, outcome in zip(rows, decided, strict=True)
        if isinstance(outcome, outcomes.NotDecided) and outcome.why == "unstable_decision"
    ]
    assert found
    threshold = decider.policy(DAY).threshold
    for row in found:
        near = [
            one for several in reasons.small_changes(row, decider.policy(DAY)).values() for one in several
        ]
        risks = decider.explainer.predict(decider.encoder.transform([row, *near])) > threshold
        assert len(set(risks.tolist())) == 2


def test_contributions_that_do_not_add_up_decide_nothing(
    decider: deciding.Decider, rows: list[dict[str, Any]]
) -> None:
    class Lying(trees.Explainer):
        def predict_margin(self, X: Any) -> Any:
            return super().predict_margin(X) + 1e-3

    lying = deciding.Decider(
        encoder=decider.encoder,
        explainer=Lying(decider.explainer.ensemble),
        known=decider.known,
        baselines=decider.baselines,
    )
    for outcome in lying.outcomes(rows[:20], on=DAY):
        assert isinstance(outcome, outcomes.NotDecided)
        assert outcome.why == "does_not_add_up"


@pytest.fixture(scope="module")
def found(
    decider: deciding.Decider, rows: list[dict[str, Any]], decided: list[reasons.Outcome]
) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Declined applications with what was found for them."""
    rules = ways.load(SHIPPED / deciding.RECOURSE)
    declined = [
        (row, outcome)
        for row, outcome in zip(rows, decided, strict=True)
        if isinstance(outcome, outcomes.Declined)
    ]
    return [(row, ways.find(rules, decider, row, outcome, on=DAY)) for row, outcome in declined[:25]]


def test_every_way_that_is_proposed_is_approved_and_obeys_the_rules(
    decider: deciding.Decider, found: list[tuple[dict[str, Any], dict[str, Any]]]
) -> None:
    may = {
        *("credit__amount", "credit__duration", "credit__guarantor", "employment__duration"),
        *("finance__credits__other_banks", "finance__credits__other_stores", "residence__duration"),
        *("finance__accounts__checking__balance", "finance__accounts__savings__balance"),
    }
    options = [(row, option) for row, answer in found for option in answer["options"]]
    assert len(options) > 10
    for row, option in options:
        new = option["application"]
        assert set(option["changes"]) <= may
        assert {name: [row[name], new[name]] for name in new if new[name] != row[name]} == option["changes"]
        assert all(type(new[name]) is type(row[name]) for name in row)
        assert isinstance(decider.outcomes([new], on=DAY)[0], outcomes.Approved)
        assert new["credit__amount"] / new["credit__duration"] <= (
            row["credit__amount"] / row["credit__duration"] + 1e-9
        )
        grown = new["employment__duration"] - row["employment__duration"]
        assert 0 <= grown <= 2
        assert new["residence__duration"] - row["residence__duration"] == grown


def test_a_way_is_told_in_the_rules_own_words(found: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    told = [option["sentence"] for _, answer in found for option in answer["options"]]
    assert all(sentence.endswith(".") and "{" not in sentence and "_" not in sentence for sentence in told)
    assert any(sentence.startswith("Asking for ") for sentence in told)


def test_an_approval_needs_no_recourse(
    decider: deciding.Decider, rows: list[dict[str, Any]], decided: list[reasons.Outcome]
) -> None:
    at = next(at for at, outcome in enumerate(decided) if isinstance(outcome, outcomes.Approved))
    rules = ways.load(SHIPPED / deciding.RECOURSE)
    assert ways.find(rules, decider, rows[at], decided[at], on=DAY)["status"] == "not_needed"


def test_a_way_that_the_endpoint_does_not_confirm_is_refused(
    found: list[tuple[dict[str, Any], dict[str, Any]]], decider: deciding.Decider
) -> None:
    option = next(option for _, answer in found for option in answer["options"])
    outcome = decider.outcomes([option["application"]], on=DAY)[0]
    answer = {"prediction": option["prediction"], "decision": outcome.as_dict()}
    decisions.require_turned(option, answer)
    with pytest.raises(decisions.Contradicted):
        decisions.require_turned(option, {**answer, "prediction": option["prediction"] + 0.01})
    turned = {**outcome.as_dict(), "outcome": "NotDecided", "why": "not_verified", "sentence": "x"}
    with pytest.raises(decisions.Contradicted):
        decisions.require_turned(option, {**answer, "decision": turned})


def edited(folder: Path, name: str, old: str, new: str) -> Path:
    """A copy of the shipped rules with one edit."""
    shutil.copytree(SHIPPED, folder)
    text = (folder / name).read_text(encoding="utf-8")
    assert text.count(old) >= 1
    (folder / name).write_text(text.replace(old, new, 1), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("name", "old", "new", "complaint"),
    [
        (
            "consumer-credit.toml",
            "threshold = 0.30",
            "treshold = 0.30",
            "The policy's treshold is not one of",
        ),
        (
            "consumer-credit.toml",
            'credit__purpose = "purpose"',
            "",
            "says nothing about the field credit__purpose",
        ),
        ("consumer-credit.toml", '"approved applicants"', '"everybody"', "its baseline is 'everybody'"),
        ("consumer-credit.toml", "threshold = 0.30", "threshold = 0.0001", "it approves nobody"),
        ("recourse.toml", 'direction = "up"', 'drection = "up"', r"number\[0\].drection is not one of"),
        ("recourse.toml", "spare = 0.02", "", "spare is missing"),
        ("recourse.toml", "{amount} EUR", "{sum} EUR", r"instalment.sentence has the place {sum}"),
        (
            "recourse.toml",
            '"credit__guarantor"',
            '"credit__purpose"',
            r"number\[0\].column names 'credit__purpose'",
        ),
    ],
    ids=lambda given: given if isinstance(given, str) and given.endswith(".toml") else "",
)
def test_a_mistaken_rule_is_refused_by_its_name(
    decider: deciding.Decider,
    rows: list[dict[str, Any]],
    tmp_path: Path,
    name: str,
    old: str,
    new: str,
    complaint: str,
) -> None:
    folder = edited(tmp_path / "policies", name, old, new)

    def check() -> None:
        ways.load(folder / deciding.RECOURSE).require_fits(decider.encoder)
        deciding.baselines(deciding.read_policies(folder), decider.encoder, decider.explainer, rows)

    with pytest.raises(ValueError, match=complaint):
        check()


def test_two_policies_that_begin_on_one_day_are_refused(
    decider: deciding.Decider, rows: list[dict[str, Any]]
) -> None:
    text = (SHIPPED / "consumer-credit.toml").read_text(encoding="utf-8")
    both = [policies.parse(text), policies.parse(text.replace("threshold = 0.30", "threshold = 0.25"))]
    with pytest.raises(deciding.UnusablePolicy, match="another policy begins on 2025-01-01"):
        deciding.baselines(both, decider.encoder, decider.explainer, rows)


def test_a_mistaken_rule_stops_the_training(prepared: credit.Prepared, tmp_path: Path) -> None:
    folder = edited(tmp_path / "policies", "consumer-credit.toml", "\nthreshold", "\ntreshold")
    with pytest.raises(subprocess.CalledProcessError) as failure:
        credit.train(prepared, tmp_path / "model", policies=folder)
    assert "The policy's treshold is not one of" in failure.value.stderr
    (folder / "consumer-credit.toml").unlink()
    with pytest.raises(subprocess.CalledProcessError) as failure:
        credit.train(prepared, tmp_path / "model", policies=folder)
    assert "policies holds no policy to decide by" in failure.value.stderr


def test_the_policy_of_the_day_decides(
    prepared: credit.Prepared, tmp_path: Path, rows: list[dict[str, Any]]
) -> None:
    folder = edited(tmp_path / "policies", "consumer-credit.toml", "threshold = 0.30", "threshold = 0.60")
    text = (folder / "consumer-credit.toml").read_text(encoding="utf-8")
    later = text.replace("2025-01-01", "2026-05-01").replace('version = "1"', 'version = "2"')
    (folder / "later.toml").write_text(later, encoding="utf-8")
    shutil.copy(SHIPPED / "consumer-credit.toml", folder / "consumer-credit.toml")
    credit.train(
        prepared, tmp_path / "model", changes={"tree-n-estimators": 20, "cv-folds": 2}, policies=folder
    )
    loaded = deciding.load(
        tmp_path / "model/policies",
        encoder=features.Encoder.load(tmp_path / "model/preprocessor.json"),
        explainer=trees.Explainer(trees.load(tmp_path / "model/model.txt")),
    )
    for day, version, threshold in (("2026-04-30", "1", 0.3), ("2026-05-01", "2", 0.6)):
        outcome = loaded.outcomes(rows[:1], on=datetime.date.fromisoformat(day))[0]
        assert (outcome.measure.policy_version, outcome.measure.threshold) == (version, threshold)
    with pytest.raises(policies.NoPolicyInForce):
        loaded.outcomes(rows[:1], on=datetime.date(2024, 12, 31))


@pytest.fixture
def served(artifact: Path, tmp_path: Path) -> Iterator[Any]:
    """The endpoint's module over an artifact whose only policy has ended."""
    folder = tmp_path / "model"
    shutil.copytree(artifact, folder)
    path = folder / "policies/consumer-credit.toml"
    ended = path.read_text(encoding="utf-8").replace(
        "effective_from = 2025-01-01", "effective_from = 2025-01-01\neffective_until = 2025-01-02"
    )
    path.write_text(ended, encoding="utf-8")
    sys.path.insert(0, str(folder / "code"))
    module = importlib.import_module("inference")
    yield module, module.model_fn(str(folder))
    sys.path.remove(str(folder / "code"))
    for name in ("inference", "features", "deciding", "ways"):
        sys.modules.pop(name, None)


def test_without_a_policy_in_force_nothing_is_decided_but_all_is_explained(
    served: Any, rows: list[dict[str, Any]]
) -> None:
    module, model = served
    body = json.dumps(rows[0])
    with pytest.raises(Exception, match="No policy is in force") as refusal:
        module.predict_fn(module.input_fn(body, "application/json; entities=decision"), model)
    assert refusal.value.status == 503  # type: ignore[attr-defined]  # Rejected's own
    reply = module.predict_fn(module.input_fn(body, "application/json; entities=prediction"), model)
    assert 0 < reply.answers[0]["prediction"] < 1
