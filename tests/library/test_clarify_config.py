"""analysis_config.json: what is taken, and the sentence that refuses everything else."""

import json
from pathlib import Path
from typing import Any

import pytest

from glasskit.clarify import config, faults

PREDICTOR = {"model_name": "m", "instance_type": "ml.m5.large", "initial_instance_count": 1}


def document(**changes: Any) -> dict[str, Any]:
    """A small configuration; a change of None takes a key away."""
    whole = {
        "dataset_type": "text/csv",
        "headers": ["label", "age", "sex"],
        "label": "label",
        "label_values_or_threshold": [1],
        "facet": [{"name_or_index": "sex", "value_or_threshold": ["f"]}],
        "methods": {"pre_training_bias": {"methods": "all"}},
        **changes,
    }
    return {key: value for key, value in whole.items() if value is not None}


def shap(**members: Any) -> dict[str, Any]:
    return {"methods": {"shap": members}, "predictor": PREDICTOR}


def test_the_defaults_are_those_of_the_raw_configuration() -> None:
    found = config.read(document(**shap()))
    assert found.shap == config.Shap(
        baseline=None,
        n_clusters=None,
        n_samples=None,
        seed=0,
        use_logit=False,
        save_local=False,
        aggregation="mean_abs",
        features=(),
    )
    assert found.probability_threshold == 0.5
    assert found.report is None
    assert found.predictor is not None
    assert (found.predictor.content_type, found.predictor.accept_type) == ("text/csv", "text/csv")


def test_the_model_answers_in_the_type_it_is_sent_unless_told_otherwise() -> None:
    predictor = {**PREDICTOR, "content_type": "application/jsonlines", "content_template": '{"x": $features}'}
    found = config.read(document(methods={"shap": {}}, predictor=predictor)).predictor
    assert found is not None
    assert found.accept_type == "application/jsonlines"
    parquet = document(dataset_type="application/x-parquet", **shap())
    assert (config.read(parquet).predictor or found).content_type == "text/csv"


def test_all_metrics_or_some_in_the_spelling_of_the_guide_are_asked_for() -> None:
    methods = {"pre_training_bias": {"methods": ["CI", "dpl"]}, "post_training_bias": {"methods": ["DCAcc"]}}
    found = config.read(document(methods=methods, predictor=PREDICTOR)).bias
    assert found is not None
    assert (found.pre, found.post) == (("CI", "DPL"), ("DCA",))
    everything = config.read(document(methods={"pre_training_bias": {"methods": "all"}})).bias
    assert everything is not None
    assert len(everything.pre) == 8


REFUSALS: list[tuple[dict[str, Any], str]] = [
    ({"colour": "red"}, "colour is not a key of an analysis"),
    ({"lable": "x"}, "lable is not a key of an analysis; did you mean 'label'?"),
    ({"version": "2.0"}, "version is '2.0'; it can be 1.0."),
    ({"dataset_type": None}, "dataset_type is missing"),
    ({"dataset_type": "text/html"}, "dataset_type is 'text/html'; it can be text/csv"),
    ({"dataset_type": "application/x-image"}, "dataset_type is application/x-image, which is not supported"),
    ({"time_series_data_config": {}, "label": "x"}, "time_series_data_config is not supported: time series"),
    ({"segment_config": [{"name_or_index": 0}]}, "segment_config is not supported"),
    ({"headers": "a,b"}, "headers is a list, not 'a,b'."),
    ({"headers": ["a", "a"]}, "headers names 'a' more than once."),
    ({"headers": ["a", 1]}, "headers is a list of texts, and 1 is none."),
    ({"label": None}, "label is missing"),
    ({"label": True}, "label names a column by its name or its place, not by True."),
    ({"label_values_or_threshold": []}, "label_values_or_threshold is missing"),
    ({"facet": []}, "facet is missing"),
    ({"facet": [{}]}, "facet[0].name_or_index is missing"),
    ({"facet": [{"name_or_index": 1, "value": 2}]}, "facet[0].value is not a key of an analysis"),
    ({"probability_threshold": 1.5}, "probability_threshold is a number from 0 to 1, not 1.5."),
    ({"features": "a.b"}, "features is for JSON datasets; this one is text/csv."),
    ({"dataset_type": "application/jsonlines"}, "features is missing: a JMESPath expression"),
    (
        {"dataset_type": "application/x-parquet", "facet_dataset_uri": "s3://b/f"},
        "facet_dataset_uri is for datasets of text/csv",
    ),
    ({"methods": None}, "methods is missing"),
    ({"methods": {"report": {"name": "r"}}}, "methods asks for nothing"),
    ({"methods": {"shape": {}}}, "methods.shape is not a key of an analysis; did you mean 'shap'?"),
    (
        {"methods": {"asymmetric_shapley_value": {}}, "label": 0},
        "methods.asymmetric_shapley_value is not supported",
    ),
    (
        {"methods": {"pre_training_bias": {"methods": ["DI"]}}},
        "methods.pre_training_bias.methods names 'DI'; there are",
    ),
    (
        {"methods": {"pre_training_bias": {"methods": []}}},
        'methods.pre_training_bias.methods is "all" or a list',
    ),
    (
        {"methods": {"post_training_bias": {"methods": "all"}}},
        "predictor is missing: post_training_bias needs",
    ),
    ({"methods": {"shap": {}}}, "predictor is missing: shap and pdp have to ask the model."),
    ({"methods": {"pdp": {}}, "predictor": PREDICTOR}, "methods.pdp.features is missing"),
    (
        {"methods": {"pdp": {"grid_resolution": 1}}, "predictor": PREDICTOR},
        "grid_resolution is a whole number from 2",
    ),
    (shap(baseline=[]), "methods.shap.baseline is a list of at least one row"),
    (shap(baseline="http://x"), "methods.shap.baseline is rows or an address that begins with s3://"),
    (shap(baseline=[[1]], num_clusters=2), "methods.shap.num_clusters is for an analysis without a baseline"),
    (shap(num_samples=0), "methods.shap.num_samples is a whole number from 1 up, not 0."),
    (shap(use_logit="yes"), "methods.shap.use_logit is true or false, not 'yes'."),
    (shap(agg_method="mean"), "methods.shap.agg_method is 'mean'; it can be mean_abs, mean_sq, median."),
    (shap(image_config={}), "methods.shap.image_config is not supported"),
    ({"methods": {"shap": {}, "report": {"name": "../x"}}, "predictor": PREDICTOR}, "'../x' is no file name"),
]


@pytest.mark.parametrize(("changes", "words"), REFUSALS, ids=[words for _, words in REFUSALS])
def test_what_cannot_be_done_is_refused_by_its_key(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(faults.BadConfig) as caught:
        config.read(document(**changes))
    assert words in str(caught.value)
    assert str(caught.value).startswith("analysis_config.json: ")


PREDICTORS: list[tuple[dict[str, Any], str]] = [
    ({"target_model": "a"}, "predictor.target_model is not supported"),
    ({"accelerator_type": "ml.eia2.medium"}, "predictor.accelerator_type is not supported"),
    ({"endpoint_name": "e"}, "predictor.model_name or endpoint_name names the model"),
    ({"model_name": None}, "predictor.model_name or endpoint_name names the model"),
    ({"instance_type": None}, "predictor.model_name needs instance_type and initial_instance_count"),
    ({"model_name": None, "endpoint_name": "e"}, "predictor.instance_type is for an endpoint that is made"),
    ({"content_type": "image/png"}, "predictor.content_type is 'image/png'; it can be"),
    ({"content_type": "application/jsonlines"}, "predictor.content_template has to hold $features"),
    ({"content_type": "application/json"}, "predictor.content_template and record_template are needed"),
    (
        {"content_type": "application/json", "content_template": "{}", "record_template": "$features"},
        "lacks $records or $record",
    ),
    ({"content_template": "$features"}, "are for models that are sent JSON, not text/csv"),
    ({"probabilty": 1}, "predictor.probabilty is not a key of an analysis; did you mean 'probability'?"),
]


@pytest.mark.parametrize(("changes", "words"), PREDICTORS, ids=[words for _, words in PREDICTORS])
def test_a_predictor_that_cannot_be_asked_is_refused(changes: dict[str, Any], words: str) -> None:
    predictor = {key: value for key, value in {**PREDICTOR, **changes}.items() if value is not None}
    with pytest.raises(faults.BadConfig) as caught:
        config.read(document(methods={"shap": {}}, predictor=predictor))
    assert words in str(caught.value)


def test_a_file_that_is_missing_or_no_json_says_so(tmp_path: Path) -> None:
    with pytest.raises(faults.BadConfig, match="is not there: give it as the processing input"):
        config.load(tmp_path / config.FILE)
    (tmp_path / config.FILE).write_text("{")
    with pytest.raises(faults.BadConfig, match="is not JSON"):
        config.load(tmp_path / config.FILE)
    (tmp_path / config.FILE).write_text("[]")
    with pytest.raises(faults.BadConfig, match=r"is an object, not \[\]"):
        config.load(tmp_path / config.FILE)
    (tmp_path / config.FILE).write_text(json.dumps(document()))
    assert config.load(tmp_path / config.FILE).dataset.label == "label"
