"""analysis_config.json as data, every key checked.

Source: SageMaker developer guide, "Analysis Configuration Files"; the SDK's ANALYSIS_CONFIG_SCHEMA_V1_0.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from glasskit import bias
from glasskit.clarify import faults
from glasskit.clarify.members import Members, Name
from glasskit.explain import texts_languages, texts_segments

FILE = "analysis_config.json"
DATASET_TYPES = ("text/csv", "application/jsonlines", "application/json", "application/x-parquet")
MODEL_TYPES = ("text/csv", "application/jsonlines", "application/json")
TOP_FEATURES = 10
GRID = 15
"""The SDK's own default."""

MOST_PIECES = 4096
"""So many pieces of a text can be explained together."""

TOP_TOKENS = 50
_GRANULARITIES: tuple[texts_segments.Granularity, ...] = ("token", "sentence", "paragraph")
Aggregation = Literal["mean_abs", "mean_sq", "median"]
_AGGREGATIONS: tuple[Aggregation, ...] = ("mean_abs", "mean_sq", "median")
_TIME_SERIES = "time series are not explained here; leave it out."
_OTHER_SPELLINGS = {"DCACC": "DCA", "DCREJ": "DCR"}
"""The guide's names of metrics whose short names are others in analysis.json."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """What the dataset is made of. `headers` names its columns in their order; () reads or makes up names."""

    type: str
    uri: str
    headers: tuple[str, ...]
    label: Name | None
    features: str
    predicted_label: Name | None
    predicted_label_uri: str
    predicted_label_headers: tuple[str, ...]
    facet_uri: str
    facet_headers: tuple[str, ...]
    joinsource: Name | None
    excluded: tuple[Name, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facet:
    """A sensitive column and the values (or the threshold) of the group in question; () is each value in turn."""

    column: Name
    values: tuple[object, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bias:
    """Which metrics are computed of which facets. pre, post: short names of metrics, () for none."""

    pre: tuple[str, ...]
    post: tuple[str, ...]
    positive: tuple[object, ...]
    facets: tuple[Facet, ...]
    group: Name | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Into what free texts are cut, and how many of their tokens are named."""

    granularity: texts_segments.Granularity
    language: str
    n_top: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shap:
    """How features are given their share. baseline: rows, an S3 address, or None to find one by clustering."""

    baseline: tuple[Any, ...] | str | None
    n_clusters: int | None
    n_samples: int | None
    seed: int
    use_logit: bool
    save_local: bool
    aggregation: Aggregation
    features: tuple[Name, ...]
    text: Text | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependence:
    """Partial dependence of these features, or of the `top` ones by SHAP value."""

    features: tuple[Name, ...]
    top: int
    grid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """name: how the files of the report begin."""

    name: str = "report"
    title: str = "Analysis Report"


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictor:
    """The model: one whose endpoint is made and taken away again, or an endpoint that is there.

    label, probability: where they stand in the model's answer: a place in a CSV record, or a JMESPath expression.
    """

    model_name: str
    instance_type: str
    n_instances: int
    endpoint_name: str
    endpoint_prefix: str
    content_type: str
    accept_type: str
    content_template: str
    record_template: str
    custom_attributes: str
    label: Name | None
    probability: Name | None
    label_headers: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """All that is asked of one job."""

    dataset: Dataset
    bias: Bias | None
    shap: Shap | None
    dependence: Dependence | None
    report: Report | None
    predictor: Predictor | None
    probability_threshold: float


def load(path: Path) -> Analysis:
    """The analysis of a file. Raises BadConfig."""
    if not path.is_file():
        raise faults.BadConfig(
            FILE,
            f"is not there: give it as the processing input `analysis_config`, with LocalPath {path.parent}.",
        )
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as exc:
        raise faults.BadConfig(FILE, f"is not JSON: {exc}.") from exc
    return read(found)


def read(found: object) -> Analysis:
    """The analysis of a document. Raises BadConfig naming the key."""
    top = Members(found, "")
    version = top.text("version", "1.0")
    if version != "1.0":
        raise top.wrong("version", f"is {version!r}; it can be 1.0.")
    top.unsupported("time_series_data_config", _TIME_SERIES)
    top.unsupported(
        "segment_config", "segments of the dataset are not analysed one by one; run a job for each."
    )
    dataset = _dataset(top)
    if not top.has("methods"):
        raise top.wrong(
            "methods", "is missing; it says what to compute, for example pre_training_bias or shap."
        )
    methods = top.inner("methods")
    methods.unsupported("asymmetric_shapley_value", _TIME_SERIES)
    analysis = Analysis(
        dataset=dataset,
        bias=_bias(top, methods, dataset),
        shap=_shap(methods.inner("shap")) if methods.has("shap") else None,
        dependence=_dependence(methods.inner("pdp")) if methods.has("pdp") else None,
        report=_report(methods.inner("report")) if methods.has("report") else None,
        predictor=_predictor(top.inner("predictor"), dataset) if top.has("predictor") else None,
        probability_threshold=_threshold(top),
    )
    methods.done()
    top.done()
    _check(analysis)
    return analysis


def _threshold(top: Members) -> float:
    found = top.share("probability_threshold")
    return 0.5 if found is None else found


def _dataset(top: Members) -> Dataset:
    if top.text("dataset_type").lower() == "application/x-image":
        raise top.wrong(
            "dataset_type", "is application/x-image, which is not supported: images are not explained here."
        )
    if not top.has("dataset_type"):
        raise top.wrong("dataset_type", f"is missing; it can be {', '.join(DATASET_TYPES)}.")
    found = Dataset(
        type=top.text("dataset_type", choices=DATASET_TYPES),
        uri=top.text("dataset_uri"),
        headers=top.texts("headers"),
        label=top.name("label"),
        features=top.text("features"),
        predicted_label=top.name("predicted_label"),
        predicted_label_uri=top.text("predicted_label_dataset_uri"),
        predicted_label_headers=top.texts("predicted_label_headers"),
        facet_uri=top.text("facet_dataset_uri"),
        facet_headers=top.texts("facet_headers"),
        joinsource=top.name("joinsource_name_or_index"),
        excluded=top.names("excluded_columns"),
    )
    for name, uri in (
        ("facet_dataset_uri", found.facet_uri),
        ("predicted_label_dataset_uri", found.predicted_label_uri),
    ):
        if uri and found.type != "text/csv":
            raise top.wrong(name, f"is for datasets of text/csv; this one is {found.type}.")
    is_json = found.type.startswith("application/json")
    if is_json and not found.features:
        raise top.wrong("features", "is missing: a JMESPath expression that finds the features of a record.")
    if found.features and not is_json:
        raise top.wrong("features", f"is for JSON datasets; this one is {found.type}.")
    repeated = [name for name in found.headers if found.headers.count(name) > 1]
    if repeated:
        raise top.wrong("headers", f"names {repeated[0]!r} more than once.")
    return found


def _bias(top: Members, methods: Members, dataset: Dataset) -> Bias | None:
    pre = _metrics(methods, "pre_training_bias", "pre_training")
    post = _metrics(methods, "post_training_bias", "post_training")
    facets = tuple(_facet(one, index) for index, one in enumerate(top.listed("facet")))
    positive, group = top.listed("label_values_or_threshold"), top.name("group_variable")
    if not pre and not post:
        return None
    if not facets:
        raise top.wrong("facet", "is missing: bias needs the column of a sensitive attribute.")
    if dataset.label is None:
        raise top.wrong("label", "is missing: bias needs the column of the observed outcome.")
    if not positive:
        raise top.wrong(
            "label_values_or_threshold", "is missing: the favourable values of the label, or a threshold."
        )
    return Bias(pre=pre, post=post, positive=positive, facets=facets, group=group)


def _metrics(methods: Members, name: str, stage: Literal["pre_training", "post_training"]) -> tuple[str, ...]:
    if not methods.has(name):
        return ()
    found, known = methods.inner(name), bias.names(stage)
    asked = found.raw("methods")
    found.done()
    if asked is None or asked == "all":
        return known
    listed = [asked] if isinstance(asked, str) else asked
    if not isinstance(listed, list) or not listed:
        raise found.wrong("methods", 'is "all" or a list of metrics.')
    wanted = [_OTHER_SPELLINGS.get(str(one).upper(), str(one).upper()) for one in listed]
    for one in wanted:
        if one not in known:
            raise found.wrong("methods", f"names {one!r}; there are {', '.join(known)}.")
    return tuple(wanted)


def _facet(found: object, index: int) -> Facet:
    one = Members(found, f"facet[{index}]")
    column = one.name("name_or_index")
    if column is None:
        raise one.wrong("name_or_index", "is missing: the column of the sensitive attribute.")
    facet = Facet(column=column, values=one.listed("value_or_threshold"))
    one.done()
    return facet


def _shap(found: Members) -> Shap:
    found.unsupported("image_config", "images are not explained here; leave it out.")
    aggregation = found.text("agg_method", "mean_abs", choices=_AGGREGATIONS)
    shap = Shap(
        baseline=_baseline(found),
        n_clusters=found.whole("num_clusters", least=1),
        n_samples=found.whole("num_samples", least=1),
        seed=found.whole("seed") or 0,
        use_logit=found.boolean("use_logit", default=False),
        save_local=found.boolean("save_local_shap_values", default=False),
        aggregation=next(one for one in _AGGREGATIONS if one == aggregation),
        features=found.names("features_to_explain"),
        text=_text(found.inner("text_config")) if found.has("text_config") else None,
    )
    if shap.text and (shap.features or (shap.n_clusters or 1) > 1):
        name = "features_to_explain" if shap.features else "num_clusters"
        raise found.wrong(name, "is not for datasets that hold text, as text_config says; leave it out.")
    if shap.text and isinstance(shap.baseline, tuple) and len(shap.baseline) > 1:
        raise found.wrong(
            "baseline", "is one row where text_config is given: what stands in for a missing text."
        )
    if shap.baseline is not None and shap.n_clusters is not None:
        raise found.wrong("num_clusters", "is for an analysis without a baseline; leave one of the two out.")
    found.done()
    return shap


def _text(found: Members) -> Text:
    granularity = found.text("granularity", "token", choices=_GRANULARITIES)
    language = found.text("language", "english")
    try:
        texts_languages.code(language)
    except ValueError as exc:
        raise found.wrong("language", f"cannot be used: {exc}.") from exc
    text = Text(
        granularity=next(one for one in _GRANULARITIES if one == granularity),
        language=language,
        n_top=found.whole("max_top_tokens", least=1) or TOP_TOKENS,
    )
    found.done()
    return text


def _baseline(found: Members) -> tuple[Any, ...] | str | None:
    value = found.raw("baseline")
    if value is None:
        return None
    if isinstance(value, str):
        if not value.startswith("s3://"):
            raise found.wrong("baseline", f"is rows or an address that begins with s3://, not {value!r}.")
        return value
    if isinstance(value, dict):
        return (value,)
    if not isinstance(value, list) or not value:
        raise found.wrong("baseline", "is a list of at least one row, or an address that begins with s3://.")
    return tuple(value)


def _dependence(found: Members) -> Dependence:
    asked = Dependence(
        features=found.names("features"),
        top=found.whole("top_k_features", least=1) or TOP_FEATURES,
        grid=found.whole("grid_resolution", least=2) or GRID,
    )
    found.done()
    return asked


def _report(found: Members) -> Report:
    report = Report(name=found.text("name", "report"), title=found.text("title", "Analysis Report"))
    if not report.name or "/" in report.name or report.name.startswith("."):
        raise found.wrong("name", f"is how the report's files begin; {report.name!r} is no file name.")
    found.done()
    return report


def _predictor(found: Members, dataset: Dataset) -> Predictor:
    found.unsupported(
        "target_model", "endpoints of many models are not analysed; name the model by model_name."
    )
    found.unsupported("accelerator_type", "there are no such accelerators here; leave it out.")
    found.unsupported("time_series_predictor_config", _TIME_SERIES)
    default = dataset.type if dataset.type in MODEL_TYPES else "text/csv"
    content_type = found.text("content_type", default, choices=MODEL_TYPES)
    predictor = Predictor(
        model_name=found.text("model_name"),
        instance_type=found.text("instance_type"),
        n_instances=found.whole("initial_instance_count", least=1) or 0,
        endpoint_name=found.text("endpoint_name"),
        endpoint_prefix=found.text("endpoint_name_prefix"),
        content_type=content_type,
        accept_type=found.text("accept_type", content_type, choices=MODEL_TYPES),
        content_template=_template(found, "content_template"),
        record_template=_template(found, "record_template"),
        custom_attributes=found.text("custom_attributes"),
        label=found.name("label"),
        probability=found.name("probability"),
        label_headers=tuple(str(one) for one in found.listed("label_headers")),
    )
    _check_source(found, predictor)
    _check_templates(found, predictor)
    found.done()
    return predictor


def _template(found: Members, name: str) -> str:
    if isinstance(found.raw(name), dict):
        raise found.wrong(name, f"is a text here; {_TIME_SERIES}")
    return found.text(name)


def _check_source(found: Members, predictor: Predictor) -> None:
    if bool(predictor.model_name) == bool(predictor.endpoint_name):
        raise found.wrong("model_name", "or endpoint_name names the model, one of the two and not both.")
    if predictor.endpoint_name:
        for name in ("instance_type", "initial_instance_count", "endpoint_name_prefix"):
            if found.has(name):
                raise found.wrong(name, "is for an endpoint that is made of a model_name; leave it out.")
    elif not predictor.instance_type or not predictor.n_instances:
        raise found.wrong("model_name", "needs instance_type and initial_instance_count, for its endpoint.")


def _check_templates(found: Members, predictor: Predictor) -> None:
    content, record = predictor.content_template, predictor.record_template
    if predictor.content_type == "application/json" and not (content and record):
        raise found.wrong(
            "content_template", "and record_template are needed for the content_type application/json."
        )
    if predictor.content_type == "application/json" and "$record" not in content:
        raise found.wrong(
            "content_template", f"has no place for records: {content!r} lacks $records or $record."
        )
    if predictor.content_type == "application/jsonlines" and "$features" not in content:
        raise found.wrong("content_template", 'has to hold $features, for example {"features": $features}.')
    if predictor.content_type == "text/csv" and (content or record):
        raise found.wrong(
            "content_template", "and record_template are for models that are sent JSON, not text/csv."
        )


def _check(analysis: Analysis) -> None:
    """What must go together."""
    asked = analysis.bias, analysis.shap, analysis.dependence
    if not any(asked):
        raise faults.BadConfig(
            "methods", "asks for nothing; it can hold pre_training_bias, post_training_bias, shap and pdp."
        )
    is_labelled = analysis.dataset.predicted_label is not None or analysis.dataset.predicted_label_uri
    if analysis.bias and analysis.bias.post and not analysis.predictor and not is_labelled:
        raise faults.BadConfig(
            "predictor",
            "is missing: post_training_bias needs predictions, or a predicted_label in the dataset.",
        )
    if (analysis.shap or analysis.dependence) and not analysis.predictor:
        raise faults.BadConfig("predictor", "is missing: shap and pdp have to ask the model.")
    if analysis.dependence and not analysis.dependence.features and not analysis.shap:
        raise faults.BadConfig(
            "methods.pdp.features", "is missing: without shap nobody knows the strongest ones."
        )
