"""Analyses of datasets that hold free text, with a model whose shares can be worked out by hand."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from glasskit.clarify import config, faults
from tests.library.test_clarify_analyses import Here, run
from tests.library.test_clarify_config import PREDICTOR

pytestmark = pytest.mark.slow
ROWS = 'very good stuff,4\n"bad, bad stuff",1\n"good",2\n,3\n'


class Words(Here):
    """Scores a row: 2 for each "good", -3 for each "bad", and the number beside the text."""

    def __init__(self) -> None:
        super().__init__(None)
        self.seen: list[tuple[str, str]] = []

    def invoke(self, endpoint: str, body: bytes, predictor: config.Predictor) -> bytes:
        rows = [(text, number) for text, number in csv.reader(io.StringIO(body.decode()))]
        self.seen += rows
        return "".join(
            f"{2 * text.count('good') - 3 * text.count('bad') + float(number)}\n" for text, number in rows
        ).encode()


def document(**shap: Any) -> dict[str, Any]:
    told = {
        "text_config": {"granularity": "token", "language": "english"},
        "save_local_shap_values": True,
        **shap,
    }
    return {
        "dataset_type": "text/csv",
        "headers": ["review", "stars"],
        "methods": {"shap": told, "report": {"name": "report"}},
        "predictor": PREDICTOR,
    }


def test_each_word_gets_its_share_and_other_features_theirs(tmp_path: Path) -> None:
    found, folder = run(tmp_path, document(baseline=[["", 0]]), Words(), ROWS)
    lines = [
        json.loads(line) for line in (folder / "explanations_shap" / "out.jsonl").read_text().splitlines()
    ]
    assert len(lines) == 4
    review, stars = lines[0]["explanations"]
    assert (review["feature_name"], review["data_type"]) == ("review", "free_text")
    assert [one["description"] for one in review["attributions"]] == [
        {"partial_text": "very", "start_idx": 0},
        {"partial_text": "good", "start_idx": 5},
        {"partial_text": "stuff", "start_idx": 10},
    ]
    shares = [one["attribution"][0] for one in review["attributions"]]
    assert shares == pytest.approx([0.0, 2.0, 0.0])
    assert stars == {
        "feature_name": "stars",
        "data_type": "numerical",
        "attributions": [{"attribution": [pytest.approx(4.0)]}],
    }
    assert lines[3]["explanations"][0]["attributions"] == []
    label = found.to_json()["explanations"]["kernel_shap"]["label0"]
    assert label["global_shap_values"] == {"stars": pytest.approx(2.5)}
    assert list(label["global_top_shap_text"].items())[:2] == [
        ("bad", pytest.approx(3.0)),
        ("good", pytest.approx(2.0)),
    ]
    assert label["expected_value"] == pytest.approx(0.0)
    assert not (folder / "explanations_shap" / "out.csv").exists()
    assert "Words that matter" in (folder / "report.html").read_text()
    assert (folder / "report.pdf").read_bytes().startswith(b"%PDF-")


def test_a_baseline_stands_in_for_missing_pieces_and_without_one_they_are_removed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    unknown, removed = Words(), Words()
    run(tmp_path / "a", document(baseline=[["UNK", 0]]), unknown, ROWS)
    assert ("UNK good UNK", "4") in unknown.seen
    found, _ = run(tmp_path / "b", document(), removed, ROWS)
    assert ("good ", "4") in removed.seen
    assert found.texts is not None
    assert found.texts.baseline == ("", 2.5)


def test_sentences_are_explained_as_one_piece_and_only_so_many_tokens_are_named(tmp_path: Path) -> None:
    told = {"granularity": "sentence", "language": "en", "max_top_tokens": 1}
    found, _ = run(
        tmp_path, document(baseline=[["", 0]], text_config=told), Words(), '"It is good. It is bad.",1\n'
    )
    label = found.to_json()["explanations"]["kernel_shap"]["label0"]
    assert label["global_top_shap_text"] == {"it is bad.": pytest.approx(3.0)}


WRONG: list[tuple[dict[str, Any], str]] = [
    (
        {"text_config": {"granularity": "word"}},
        "text_config.granularity is 'word'; it can be token, sentence",
    ),
    ({"text_config": {"language": "klingon"}}, "text_config.language cannot be used"),
    ({"text_config": {"size": 3}}, "text_config.size is not a key of an analysis"),
    ({"features_to_explain": ["stars"]}, "features_to_explain is not for datasets that hold text"),
    ({"num_clusters": 3}, "num_clusters is not for datasets that hold text"),
    ({"baseline": [["a", 1], ["b", 2]]}, "baseline is one row where text_config is given"),
]


@pytest.mark.parametrize(("shap", "words"), WRONG, ids=[words for _, words in WRONG])
def test_what_does_not_go_with_texts_is_refused(shap: dict[str, Any], words: str) -> None:
    with pytest.raises(faults.BadConfig) as caught:
        config.read(document(**shap))
    assert words in str(caught.value)


def test_a_dataset_without_free_text_and_curves_over_texts_are_refused(tmp_path: Path) -> None:
    with pytest.raises(faults.BadConfig, match="no column holds texts of two words or more"):
        run(tmp_path, document(), Words(), "good,1\nbad,2\n")
    asked = document()
    asked["methods"]["pdp"] = {"features": ["review"]}
    (tmp_path / "b").mkdir()
    with pytest.raises(faults.BadConfig, match=r"methods.pdp.features\[0\] is 'review', a free text"):
        run(tmp_path / "b", asked, Words(), ROWS)
