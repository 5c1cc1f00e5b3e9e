"""Whole analyses from a configuration to the files, with the model in this process instead of behind an endpoint."""

import base64
import contextlib
import csv
import hashlib
import io
import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
import xgboost as xgb

from glasskit.clarify import config, faults, job, pages, papers, results
from tests.library.test_clarify_config import PREDICTOR

pytestmark = pytest.mark.slow
NAMES = ["approved", "age", "income", "woman"]


class Here:
    """The platform of an analysis: a model that is a function of CSV lines, and an archive or none."""

    def __init__(self, model: Any, archive: bytes = b"") -> None:
        self.model = model
        self.archive = archive
        self.n_open = 0

    def fetch(self, uri: str, folder: Path) -> Path:
        (folder / "model.tar.gz").write_bytes(self.archive)
        return folder

    def model_data(self, model_name: str) -> str:
        return "s3://b/model.tar.gz" if self.archive else ""

    def model_of(self, endpoint_name: str) -> str:
        return "m"

    @contextlib.contextmanager
    def serving(self, predictor: config.Predictor) -> Iterator[str]:
        self.n_open += 1
        try:
            yield "endpoint"
        finally:
            self.n_open -= 1

    def invoke(self, endpoint: str, body: bytes, predictor: config.Predictor) -> bytes:
        frame = pd.read_csv(io.BytesIO(body), header=None)
        return "\n".join(map(str, np.asarray(self.model(frame)).tolist())).encode()


def table(n_rows: int = 60) -> np.ndarray:
    random = np.random.default_rng(2)
    features = np.column_stack(
        [random.integers(18, 80, n_rows), random.normal(size=n_rows).round(2), random.integers(0, 2, n_rows)]
    )
    label = (features[:, 0] / 40 + features[:, 1] - 0.3 * features[:, 2] > 1).astype(int)
    return np.column_stack([label, features])


def booster() -> xgb.Booster:
    rows = table()
    matrix = xgb.DMatrix(rows[:, 1:], rows[:, 0])
    return xgb.train({"objective": "binary:logistic", "max_depth": 3, "nthread": 1}, matrix, 8)


def packed(model: xgb.Booster) -> bytes:
    data, held = bytes(model.save_raw("ubj")), io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:gz") as files:
        info = tarfile.TarInfo("xgboost-model")
        info.size = len(data)
        files.addfile(info, io.BytesIO(data))
    return held.getvalue()


def document(**changes: Any) -> dict[str, Any]:
    return {
        "dataset_type": "text/csv",
        "headers": NAMES,
        "label": "approved",
        "label_values_or_threshold": [1],
        "facet": [
            {"name_or_index": "woman", "value_or_threshold": [1]},
            {"name_or_index": 1, "value_or_threshold": [40]},
        ],
        "methods": {"shap": {"save_local_shap_values": True}},
        "predictor": PREDICTOR,
        **changes,
    }


def run(folder: Path, asked: dict[str, Any], platform: Here, rows: str = "") -> tuple[results.Results, Path]:
    places = job.Places(config=folder / "config", data=folder / "data", output=folder / "output")
    places.config.mkdir()
    places.data.mkdir()
    (places.config / config.FILE).write_text(json.dumps(asked))
    text = rows or "".join(",".join(f"{value:g}" for value in row) + "\n" for row in table())
    (places.data / "rows.csv").write_text(text)
    said: list[str] = []
    found = job.run(places, platform, said.append)
    assert said[-1] == "Done"
    assert platform.n_open == 0
    return found, places.output


def by_trees() -> Here:
    model = booster()
    return Here(lambda frame: model.predict(xgb.DMatrix(frame.to_numpy())), packed(model))


FULL = {
    "pre_training_bias": {"methods": "all"},
    "post_training_bias": {"methods": "all"},
    "shap": {"save_local_shap_values": True, "num_clusters": 3},
    "pdp": {"features": ["income", 2], "grid_resolution": 5},
    "report": {"name": "mine", "title": "<Who> & why"},
}


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> tuple[results.Results, Path]:
    return run(tmp_path_factory.mktemp("full"), document(methods=FULL, group_variable="age"), by_trees())


def test_every_section_of_the_analysis_is_there_and_json_is_strict(
    full: tuple[results.Results, Path],
) -> None:
    _, folder = full
    text = (folder / "analysis.json").read_text()
    found = json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert list(found) == [
        "version",
        "pre_training_bias_metrics",
        "post_training_bias_metrics",
        "explanations",
        "details",
    ]
    before = found["pre_training_bias_metrics"]
    assert (before["label"], before["label_value_or_threshold"]) == ("approved", "1")
    assert list(before["facets"]) == ["woman", "age"]
    assert before["facets"]["age"][0]["value_or_threshold"].startswith("(40, ")
    metric = before["facets"]["woman"][0]["metrics"][0]
    assert list(metric) == ["name", "description", "value"]
    assert list(found["explanations"]) == ["kernel_shap", "pdp"]
    assert list(found["explanations"]["pdp"][0]) == [
        "feature_name",
        "data_type",
        "feature_values",
        "model_predictions",
        "data_distribution",
    ]


def test_local_values_stand_beside_the_baseline(full: tuple[results.Results, Path]) -> None:
    found, folder = full
    with (folder / "explanations_shap" / "out.csv").open() as file:
        names, *rows = csv.reader(file)
    assert names == ["age_label0", "income_label0", "woman_label0"]
    assert found.shap is not None
    assert np.array(rows, dtype=float) == pytest.approx(found.shap.found.values[:, :, 0], abs=0)
    with (folder / "explanations_shap" / "baseline.csv").open() as file:
        names, *rows = csv.reader(file)
    assert (names, len(rows)) == (NAMES[1:], 3)


def test_the_page_holds_everything_and_asks_nobody(full: tuple[results.Results, Path]) -> None:
    _, folder = full
    text = (folder / "mine.html").read_text()
    assert "&lt;Who&gt; &amp; why" in text
    assert "<script" not in text
    assert not re.search(r'(?:src|href)="(?!#)', text)
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src &#x27;sha256-{digest}&#x27;" in text
    assert text.count("<svg") == 8
    for drawing in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        ElementTree.fromstring(drawing)


def test_the_notebook_shows_itself_without_being_run(full: tuple[results.Results, Path]) -> None:
    _, folder = full
    found = json.loads((folder / "mine.ipynb").read_text())
    assert (found["nbformat"], found["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in found["cells"]}) == len(found["cells"])
    for cell in found["cells"]:
        wanted = {"cell_type", "id", "metadata", "source"}
        wanted |= {"execution_count", "outputs"} if cell["cell_type"] == "code" else set()
        assert set(cell) == wanted
        for output in cell.get("outputs", ()):
            assert set(output) == {"output_type", "metadata", "data"}
    drawn = [cell for cell in found["cells"] if cell.get("outputs")]
    assert len(drawn) == 8


def test_the_printed_report_is_tagged_and_the_same_every_time(full: tuple[results.Results, Path]) -> None:
    from glasskit.clarify import printing

    found, folder = full
    data = (folder / "mine.pdf").read_bytes()
    assert data.startswith(b"%PDF-")
    assert b"/StructTreeRoot" in data
    assert b"pdfuaid" in data
    assert printing.pdf(papers.paper(found)) == data


def test_texts_are_sent_as_they_are_and_explained_by_asking(tmp_path: Path) -> None:
    def model(frame: pd.DataFrame) -> Any:
        assert set(frame[1]) <= {"red", "blue"}
        return frame[0] + 2.0 * (frame[1] == "red")

    asked = document(
        headers=["size", "colour"],
        methods={
            "shap": {"baseline": [[0, "blue"]], "save_local_shap_values": True},
            "report": {"name": "report"},
        },
    )
    del asked["label"], asked["facet"]
    found, folder = run(tmp_path, asked, Here(model), "1,red\n5,blue\n")
    assert found.shap is not None
    assert found.shap.found.values[:, :, 0] == pytest.approx(np.array([[1.0, 2.0], [5.0, 0.0]]))
    assert "columns that are not numbers" in found.trees
    assert (folder / "report.pdf").exists()


def test_several_labels_are_named_and_identifiers_stand_first(tmp_path: Path) -> None:
    asked = document(
        headers=["id", "a", "b"],
        joinsource_name_or_index="id",
        methods={
            "shap": {"baseline": [[0, 0]], "save_local_shap_values": True, "features_to_explain": ["b"]}
        },
        predictor={**PREDICTOR, "label_headers": ["no", "yes"]},
    )
    del asked["label"], asked["facet"]

    class Two(Here):
        def invoke(self, endpoint: str, body: bytes, predictor: config.Predictor) -> bytes:
            frame = pd.read_csv(io.BytesIO(body), header=None)
            return "".join(f"{1 - b / 10},{b / 10}\n" for b in frame[1]).encode()

    found, folder = run(tmp_path, asked, Two(None), "k1,1,2\nk2,3,4\n")
    with (folder / "explanations_shap" / "out.csv").open() as file:
        names, first, _ = csv.reader(file)
    assert names == ["id", "b_no", "b_yes"]
    assert first[0] == "k1"
    assert [float(cell) for cell in first[1:]] == pytest.approx([-0.2, 0.2])
    assert list(found.to_json()["explanations"]["kernel_shap"]) == ["no", "yes"]


def test_a_continuous_label_is_judged_by_its_threshold(tmp_path: Path) -> None:
    asked = document(
        headers=["price", "size", "old"],
        label="price",
        label_values_or_threshold=[2.5],
        facet=[{"name_or_index": "old", "value_or_threshold": [1]}],
        methods={"post_training_bias": {"methods": ["DPPL", "AD"]}},
    )
    rows = "1.5,1,0\n3.5,3,0\n4.25,4,1\n2.75,2,1\n"
    found, _ = run(tmp_path, asked, Here(lambda frame: frame[0] * 1.0), rows)
    assert found.bias is not None
    values = {one.metric.name: one.value for one in found.bias.facets[0].results}
    assert values == {"DPPL": pytest.approx(0.5 - 0.5), "AD": pytest.approx(1.0 - 0.5)}


def test_predictions_of_the_dataset_need_no_model(tmp_path: Path) -> None:
    asked = document(
        headers=["approved", "woman", "said"],
        predicted_label="said",
        methods={"post_training_bias": {"methods": ["DI"]}},
        facet=[{"name_or_index": "woman", "value_or_threshold": [1]}],
    )
    del asked["predictor"]
    found, folder = run(tmp_path, asked, Here(None), "1,1,1\n0,1,0\n1,0,1\n0,0,1\n")
    assert found.to_json()["post_training_bias_metrics"]["facets"]["woman"][0]["metrics"][0]["value"] == 0.5
    assert not (folder / "report.html").exists()
    assert not (folder / "explanations_shap").exists()


def test_a_name_that_is_no_feature_is_found_out_before_the_model_is_asked(tmp_path: Path) -> None:
    asked = document(methods={"shap": {"features_to_explain": ["height"]}})
    with pytest.raises(
        faults.BadConfig, match=r"methods.shap.features_to_explain\[0\] names the column 'height'"
    ):
        run(tmp_path, asked, Here(lambda _frame: pytest.fail("the model was asked")))


def test_the_report_says_of_the_flip_test_what_its_sign_means(tmp_path: Path) -> None:
    """Both women are refused what men of the same age are granted."""
    asked = document(
        headers=["approved", "age", "woman", "said"],
        predicted_label="said",
        methods={"post_training_bias": {"methods": ["FT", "DI", "TE"]}, "report": {"name": "report"}},
        facet=[{"name_or_index": "woman", "value_or_threshold": [1]}],
    )
    found, folder = run(tmp_path, asked, Here(None), "1,30,1,0\n1,40,1,0\n1,30,0,1\n1,40,0,1\n")
    assert found.bias is not None
    assert found.bias.facets[0].result("FT").value == -1.0
    text = (folder / "report.html").read_text()
    assert "This group is rejected where its like among the others is accepted." in text
    assert '<td class="n">∞</td>' in text


def test_missing_values_are_left_out_of_bias_and_counted(tmp_path: Path) -> None:
    asked = document(
        headers=["approved", "woman"],
        methods={"pre_training_bias": {"methods": ["CI"]}, "report": {"name": "report"}},
        facet=[{"name_or_index": "woman", "value_or_threshold": [1]}],
    )
    found, folder = run(tmp_path, asked, Here(None), "1,1\n0,0\n1,\n0,0\n")
    assert found.to_json()["details"]["rows_left_out_of_bias"] == 1
    assert "1 row without a value was left out" in (folder / "report.html").read_text()


def test_what_a_dataset_says_cannot_break_out_of_the_page() -> None:
    table = papers.Table(caption="<b>", names=("<i>", "x"), rows=(("<script>", "&"),))
    assert "<script>" not in pages.table(table)
    assert "&lt;script&gt;" in pages.table(table)
