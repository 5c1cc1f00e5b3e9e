"""The job that assesses bias: joined by the applicant, small groups refused, the worst difference in words."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from glasshouse.solutions.credit import synthetic
from glasshouse.solutions.credit.processing import assess
from glasskit import bias
from tests.support import credit

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> credit.Prepared:
    return credit.prepare(tmp_path_factory.mktemp("credit"), synthetic.applicants(400, seed=11))


def lay_out(base: Path, prepared: credit.Prepared, *, approves: Any) -> list[dict[str, Any]]:
    """The job's folders; `approves` decides by the data and the protected attributes of each row."""
    (base / "input").mkdir(parents=True)
    shutil.copytree(prepared.transformed, base / "input/transformed")
    rows, people = prepared.rows("data_test"), prepared.rows("protected_test")
    answers = [
        {
            "data": row,
            "features": {"credit__amount": float(row["credit__amount"])},
            "decision": {"outcome": "Approved" if approves(row, person) else "Declined"},
        }
        for row, person in zip(rows, people, strict=True)
    ]
    (base / "input/explanations").mkdir()
    text = "".join(json.dumps(answer) + "\n" for answer in answers)
    (base / "input/explanations/part-00000.jsonl.out").write_text(text, encoding="utf-8")
    return people


@pytest.fixture(scope="module")
def unfair(prepared: credit.Prepared, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bank that declines every other woman for no reason."""
    base = tmp_path_factory.mktemp("unfair") / "processing"
    lay_out(
        base,
        prepared,
        approves=lambda row, person: person["personal__gender"] == "male" or row["credit__amount"] % 200,
    )
    assess.main(base, minimum_rows=8)
    return base / "output"


def summary(output: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((output / "summary.json").read_text(encoding="utf-8"))
    return found


def test_the_worst_difference_is_said_in_words(unfair: Path) -> None:
    worst = summary(unfair)["worst"]
    assert worst.startswith("Gender = female: ")
    assert "95% interval" in worst
    assert worst in summary(unfair)["differences"]


def test_how_the_groups_fare_is_counted_from_the_tables(unfair: Path, prepared: credit.Prepared) -> None:
    people, labels = prepared.rows("protected_test"), prepared.rows("label_test")
    women = [at for at, person in enumerate(people) if person["personal__gender"] == "female"]
    group = next(group for group in summary(unfair)["groups"] if group["title"] == "gender = female")
    assert group["n"] == len(women)
    repaid = sum(not labels[at]["credit__default"] for at in women) / len(women)
    assert group["repaid"] == pytest.approx(repaid)
    assert group["approved"] < group["approved_others"] == 1.0


def test_small_groups_get_no_number(unfair: Path, prepared: credit.Prepared) -> None:
    old = sum(person["personal__age"] >= 62 for person in prepared.rows("protected_test"))
    assert old < 8
    group = next(group for group in summary(unfair)["groups"] if group["title"] == "age = 62 and over")
    assert f"only {old} rows" in group["refused"] or "no row" in group["refused"]


def test_the_analysis_holds_all_21_metrics_of_each_facet(unfair: Path) -> None:
    analysis = json.loads((unfair / "analysis.json").read_text(encoding="utf-8"))
    both = [analysis[f"{stage}_training_bias_metrics"]["facets"] for stage in ("pre", "post")]
    for facets in both:
        assert set(facets) == {"gender", "age", "relationship status"}
    names = [metric["name"] for facets in both for metric in facets["gender"][0]["metrics"]]
    assert sorted(names) == sorted(bias.names())


def test_the_report_is_one_page_that_asks_nobody_for_anything(unfair: Path) -> None:
    page = (unfair / "report.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "Disparate Impact (DI)" in page
    assert not any(sign in page for sign in ("<script", "http:", "https:", "<img", "url("))


def test_a_bank_that_approves_everybody_treats_nobody_differently(
    prepared: credit.Prepared, tmp_path: Path
) -> None:
    lay_out(tmp_path / "processing", prepared, approves=lambda row, person: True)
    assess.main(tmp_path / "processing", minimum_rows=8)
    told = summary(tmp_path / "processing/output")
    assert not any("Disparate" in sentence for sentence in told["differences"])
    assert all(group["approved"] == 1.0 for group in told["groups"] if not group["refused"])


def test_explanations_of_other_applications_are_refused(prepared: credit.Prepared, tmp_path: Path) -> None:
    base = tmp_path / "processing"
    lay_out(base, prepared, approves=lambda row, person: True)
    path = base / "input/explanations/part-00000.jsonl.out"
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([*lines[:3], lines[4], lines[3], *lines[5:]]) + "\n", encoding="utf-8")
    with pytest.raises(assess.BadTables, match="line 4 of the explanations is about another application"):
        assess.main(base)
    path.write_text("\n".join(lines[1:]) + "\n", encoding="utf-8")
    with pytest.raises(assess.BadTables, match=f"{len(lines) - 1} explanations of {len(lines)} applications"):
        assess.main(base)


@pytest.mark.parametrize(
    ("age", "group"), [(25, "under 26"), (26, "26 to 61"), (61, "26 to 61"), (62, "62 and over")]
)
def test_ages_fall_into_groups(age: int, group: str) -> None:
    assert assess.age_group(age) == group
