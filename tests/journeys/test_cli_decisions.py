"""`glasshouse decisions` and `glasshouse expire` on a ledger that stands in a folder, as a user runs them."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyarrow import parquet

from glasshouse.kernel import ledger
from glasshouse.kernel.clock import SystemClock
from glasshouse.kernel.ledger import anchoring
from glasskit import decisions, trees
from tests.support import installation

pytestmark = pytest.mark.slow

DAY_NS = 86_400 * 1_000_000_000
NAMES = ("income", "age")
ROWS = np.array([[0.1, 1.0], [-3.0, np.nan], [2.0, 5.0], [0.2, 7.0]])
ANSWER = {
    "prediction": 0.25,
    "features": {"amount": 5, "rent": 1},
    "explanation": {"expected_value": -1.5, "shap_values": {"amount": 0.3, "rent": -0.2}},
    "decision": {"outcome": "Declined", "reasons": [{"code": "C-1", "text": "The amount"}]},
    "model": "v7",
}


@dataclass(frozen=True)
class Book:
    """A data folder with a ledger, the decisions in it by id, and when the first was taken (ns)."""

    data: Path
    known: dict[str, dict[str, Any]]
    start: int

    def run(self, *words: str) -> str:
        done = installation.run(*words, data=self.data)
        assert done.returncode == 0, done.stderr
        return done.stdout


def stump(feature: int, *leaves: float) -> trees.Tree:
    return trees.Tree(
        feature=[feature, -1, -1],
        test=[0, 0, 0],
        threshold=[0.5, 0, 0],
        missing=[2, 0, 0],
        default_left=[True, False, False],
        left=[1, -1, -1],
        right=[2, -1, -1],
        value=[0.0, *leaves],
        cover=[4.0, 3.0, 1.0],
    )


def bundle() -> decisions.Bundle:
    both = (stump(0, -1.1, 3.3), stump(1, 0.7, 0.1))
    return decisions.Bundle(
        rule=decisions.Rule(threshold=1.0, adverse_name="declined"),
        ensemble=trees.Ensemble(trees=both, feature_names=NAMES, base_scores=(0.3,)),
    )


def draft(number: int, at: int, private: dict[str, Any], *, subject: str, digest: str = "") -> ledger.Draft:
    public = {
        **{"account": "000000000000", "region": "us-east-1", "endpoint": "credit", "variant": "AllTraffic"},
        **{"model": "trees" if digest else "own", "model_digest": "d", "environment": "e", "bundle": digest},
        **{"served": "", "caller": "arn:aws:iam::000000000000:role/Teller", "request": f"r{number}"},
    }
    return ledger.Draft(
        kind="decision", id=f"decision-{number}", at=at, public=public, private=private, subject=subject
    )


def private(decision: dict[str, Any], *, subject: str) -> dict[str, Any]:
    return {**decision, "input": "a line", "subject": subject, "inference_id": f"loan of {subject}"}


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Book:
    """For tests that only read."""
    return written(tmp_path_factory.mktemp("decisions") / "data")


def written(data: Path) -> Book:
    """Four decisions of a tree model, 40 days apart, the newest today; one of another model; a truth, an erasure."""
    data.mkdir(mode=0o700)
    content = bundle().to_bytes()
    digest = hashlib.sha256(content).hexdigest()
    start = time.time_ns() - 120 * DAY_NS
    taken = decisions.Decider(bundle()).decide(ROWS, on=dt.date(2026, 3, 1))
    known = {f"decision-{at}": one for at, one in enumerate(taken)}
    people = ("Ada", "Bob", "Ada", "Eve")
    drafts = [
        draft(at, start + 40 * at * DAY_NS, private(one, subject=who), subject=who, digest=digest)
        for at, (one, who) in enumerate(zip(taken, people, strict=True))
    ]
    opaque = {"answer": json.dumps(ANSWER), "headers": {}, "outcome": "Declined"}
    own = {**private(opaque, subject="Cid"), "input": json.dumps({"amount": 5, "items": [1, 2]})}
    drafts.append(draft(9, start + 121 * DAY_NS, own, subject="Cid"))
    anchor = data.with_name("anchors")
    made = ledger.Ledger(data / "ledger", clock=SystemClock(), anchor=lambda _: anchoring.FileAnchors(anchor))
    made.keep_bundle(digest, content)
    places = made.record(drafts).result()
    slots = [made.read(place).slot for place in places]
    for number, label in ((2, {"repaid": True}), (2, {"repaid": False}), (0, {"repaid": True})):
        truth = {"decision": f"decision-{number}", "by": "arn:a"}
        one = ledger.Draft(
            kind="truth", id=f"t{number}", at=start, public=truth, private={"label": label}, slot=slots[0]
        )
        made.record([one]).result()
    made.erase(slots[3], by="an officer", reason="asked for")
    made.close()
    return Book(data=data, known=known, start=start)


def test_a_line_for_each_decision_the_newest_last(book: Book) -> None:
    lines = book.run("decisions", "list").splitlines()
    assert [line.split()[2] for line in lines[1:]] == [f"decision-{at}" for at in (0, 1, 2, 3, 9)]
    assert "ground truth" not in lines[0]  # labels are objects here: their members have columns of the export
    assert "(erased)" in lines[4]
    assert "Eve" not in lines[4]
    shorter = book.run("decisions", "list", "--last", "2").splitlines()
    assert shorter[-1] == "3 earlier decisions fit too; --last 0 lists all."
    assert len(shorter) == 4


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        (("--subject", "Ada"), [0, 2]),
        (("--subject", "Eve"), []),
        (("--subject", "nobody"), []),
        (("--outcome", "Declined"), [9]),
        (("--inference-id", "loan of Bob"), [1]),
        (("--model", "own"), [9]),
        (("--endpoint", "other"), []),
    ],
    ids=range(7),
)
def test_filters_choose(book: Book, words: tuple[str, ...], ids: list[int]) -> None:
    found = json.loads(book.run("decisions", "list", "--json", *words))
    assert [one["decision_id"] for one in found] == [f"decision-{at}" for at in ids]


def test_times_choose_from_the_first_on_and_before_the_second(book: Book) -> None:
    second = dt.datetime.fromtimestamp((book.start + 40 * DAY_NS) / 1e9, dt.UTC)
    third = second + dt.timedelta(days=40)
    words = ("--since", (second - dt.timedelta(hours=1)).isoformat(), "--until", third.isoformat())
    found = json.loads(book.run("decisions", "list", "--json", *words))
    assert [one["decision_id"] for one in found][:1] == ["decision-1"]
    assert "decision-3" not in {one["decision_id"] for one in found}


def test_one_decision_is_shown_with_what_moved_it_and_what_became_true(book: Book) -> None:
    page = book.run("decisions", "show", "decision-2")
    one = book.known["decision-2"]
    assert f"prediction      {one['prediction']:.6g}" in page
    for name, value, moved in zip(NAMES, ROWS[2], one["explanation"]["values"], strict=True):
        assert f"{name} = {value:.6g}" in page
        assert f"{moved:+.4f}" in page
    assert page.index('{"repaid": true}') < page.index('{"repaid": false}')
    assert "glasshouse replay decision-2" in page
    assert "The subject was erased" in book.run("decisions", "show", "decision-3")
    own = book.run("decisions", "show", "decision-9")
    assert "1. The amount (C-1)" in own


def test_a_decision_that_is_not_there_is_named(book: Book) -> None:
    done = installation.run("decisions", "show", "decision-77", data=book.data)
    assert (done.returncode, done.stderr) == (
        1,
        "glasshouse: There is no decision decision-77 in the ledger.\n",
    )


def table(path: Path) -> list[dict[str, Any]]:
    """The rows of an exported file, by the reader of its format; what is not known is left out."""
    if path.suffix == ".parquet":
        rows = parquet.read_table(path).to_pylist()
    elif path.suffix == ".jsonl":
        rows = [json.loads(line) for line in path.read_text().splitlines()]
    else:
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
    return [{name: value for name, value in row.items() if value not in (None, "")} for row in rows]


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_an_export_has_every_bit_of_every_decision_by_name(book: Book, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"decisions.{suffix}"
    said = book.run("decisions", "export", str(path))
    rows = {row["decision_id"]: row for row in table(path)}
    assert said.startswith("5 decisions with ")
    for number in range(3):
        one, row = book.known[f"decision-{number}"], rows[f"decision-{number}"]
        assert float(row["prediction"]) == one["prediction"]
        assert float(row["base_value"]) == one["explanation"]["base"]
        for name, value, moved in zip(NAMES, ROWS[number], one["explanation"]["values"], strict=True):
            found = float(row.get(f"feature.{name}", "nan"))
            assert found == value or np.isnan([found, value]).all()
            assert float(row[f"shap.{name}"]) == moved
    assert {str(rows[f"decision-{at}"].get("ground_truth.repaid")).lower() for at in (0, 2)} == {
        "true",
        "false",
    }
    assert int(rows["decision-2"]["n_ground_truths"]) == 2
    assert not {
        name for name in rows["decision-3"] if name.startswith(("feature", "shap", "subject", "input"))
    }
    own = rows["decision-9"]
    assert (float(own["prediction"]), float(own["shap.rent"]), float(own["feature.amount"])) == (
        0.25,
        -0.2,
        5.0,
    )
    assert (own["reason_codes"], own["answer.model"], float(own["input.amount"])) == ("C-1", "v7", 5.0)
    assert json.loads(own["answer"]) == ANSWER


def test_a_file_of_another_kind_is_refused_and_nothing_written(book: Book, tmp_path: Path) -> None:
    for words, says in (
        ((str(tmp_path / "decisions.xlsx"),), "must end in one of .parquet, .csv, .jsonl"),
        (
            (str(tmp_path / "none.csv"), "--endpoint", "other"),
            "no decision fits, so there is nothing to write",
        ),
        ((str(tmp_path / "missing" / "a.csv"),), "there is no folder"),
    ):
        done = installation.run("decisions", "export", *words, data=book.data)
        assert done.returncode == 2
        assert says in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_expiry_forgets_whoever_is_older_and_says_how_many(tmp_path: Path) -> None:
    """Ada has a newer decision, Bob has not, Eve was erased before."""
    with installation.installed(written(tmp_path / "data").data) as server:
        old = ("expire", "--older-than", "60", "--reason", "kept for 60 days")
        planned = server.run(*old, "--dry-run")
        assert planned.stdout.startswith("Would be erased: 1 subjects with 1 decisions, none of them since ")
        done = server.run(*old)
        assert done.stdout.startswith("Erased: 1 subjects with 1 decisions, none of them since "), done.stderr
        listed = json.loads(server.run("decisions", "list", "--json").stdout)
        assert [one["is_erased"] for one in listed] == [False, True, False, True, False]
        assert server.run(*old).stdout.startswith("Erased: 0 subjects with 0 decisions")
        refused = server.run("expire", "--older-than", "0", "--reason", "x")
        assert "0 is not a whole number from 1 up" in refused.stderr
        assert server.run("verify").stdout.startswith("WHOLE")
