"""ClarifyExplainerConfig as an endpoint configuration has it: read, checked, and refused by name.

The platform reads it when a configuration is created, the model server when it starts. Nothing here needs more than
the standard library and JMESPath. Sources: SageMaker API reference, ClarifyExplainerConfig and below; developer guide,
"Online explainability".
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, Literal

from glasskit.clarify import online_expressions as expressions

Form = Literal["csv", "jsonlines"]

ALWAYS = "`true`"
FEATURES = "$features"
MAX_PAYLOAD_MB = 6
MEBIBYTE = 1 << 20
TYPES: Mapping[str, Form] = {
    "text/csv": "csv",
    "application/jsonlines": "jsonlines",
    "application/x-jsonlines": "jsonlines",
}
_AT = "ExplainerConfig.ClarifyExplainerConfig"


class Refused(ValueError):
    """The configuration asks for what cannot be done; the text names the member."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """How text features are taken apart. language: two letters; granularity: token, sentence or paragraph."""

    language: str
    granularity: str


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What an endpoint's explanations look like.

    features, probability_attribute, label_attribute: where in a JSON record. template: a record around `$features`.
    probability_index, label_index: which cell of a CSV answer. max_records: rows of one synthetic request, None
    as many as fit into max_payload_bytes. n_samples: coalitions per record, None for 2 n + 2048.
    """

    enable: expressions.Expression
    features: expressions.Expression | None = None
    template: str = ""
    max_records: int | None = None
    max_payload_bytes: int = MAX_PAYLOAD_MB * MEBIBYTE
    probability_index: int | None = None
    probability_attribute: expressions.Expression | None = None
    label_index: int | None = None
    label_attribute: expressions.Expression | None = None
    label_headers: tuple[str, ...] = ()
    feature_headers: tuple[str, ...] = ()
    feature_types: tuple[str, ...] = ()
    baseline_form: Form = "csv"
    n_samples: int | None = None
    use_logit: bool = False
    seed: int = 0
    text: Text | None = None


def form_of(content_type: str, *, at: str) -> Form:
    """The form of records that a media type names. Raises Refused."""
    media = content_type.partition(";")[0].strip().lower()
    if media not in TYPES:
        raise Refused(f"{at} {content_type!r} is not supported with explanations; use {' or '.join(TYPES)}")
    return TYPES[media]


def read(config: Mapping[str, Any]) -> Settings:
    """The settings of a ClarifyExplainerConfig. Raises Refused."""
    shap, inference = config["ShapConfig"], config.get("InferenceConfig", {})
    _check_baseline(shap["ShapBaselineConfig"])
    _check_features(inference, shap)
    text = shap.get("TextConfig")
    form = form_of(
        shap["ShapBaselineConfig"].get("MimeType") or "text/csv",
        at=f"{_AT}.ShapConfig.ShapBaselineConfig.MimeType",
    )
    if form == "jsonlines" and "ContentTemplate" not in inference:
        raise Refused(
            f"{_AT}.InferenceConfig.ContentTemplate must be given with a baseline in JSON Lines, for example "
            "'{\"features\":$features}'"
        )
    return Settings(
        enable=_expression(config, "EnableExplanations", at=_AT) or expressions.compiled(ALWAYS, at=_AT),
        features=_expression(inference, "FeaturesAttribute"),
        template=_template(inference),
        max_records=inference.get("MaxRecordCount"),
        max_payload_bytes=inference.get("MaxPayloadInMB", MAX_PAYLOAD_MB) * MEBIBYTE,
        probability_index=inference.get("ProbabilityIndex"),
        probability_attribute=_expression(inference, "ProbabilityAttribute"),
        label_index=inference.get("LabelIndex"),
        label_attribute=_expression(inference, "LabelAttribute"),
        label_headers=tuple(inference.get("LabelHeaders", ())),
        feature_headers=tuple(inference.get("FeatureHeaders", ())),
        feature_types=tuple(inference.get("FeatureTypes", ())),
        baseline_form=form,
        n_samples=shap.get("NumberOfSamples"),
        use_logit=bool(shap.get("UseLogit", False)),
        seed=int(shap.get("Seed", 0)),
        text=Text(language=text["Language"], granularity=text["Granularity"]) if text else None,
    )


def enabled(text: str) -> expressions.Expression:
    """The expression of a request's own EnableExplanations. Raises Refused."""
    try:
        return expressions.compiled(text, at="EnableExplanations")
    except expressions.BadExpression as error:
        raise Refused(f"{error}.") from error


def check_width(settings: Settings, n_features: int) -> None:
    """Whether the configuration fits a baseline of so many features. Raises Refused."""
    for member, given in (
        ("FeatureHeaders", settings.feature_headers),
        ("FeatureTypes", settings.feature_types),
    ):
        if given and len(given) != n_features:
            raise Refused(
                f"{_AT}.InferenceConfig.{member} has {len(given)} items and the SHAP baseline has {n_features} "
                "features"
            )
    if settings.text is None:
        check_samples(settings, n_features)


def check_samples(settings: Settings, n_players: int) -> None:
    """Whether NumberOfSamples determines so many attributions. Raises Refused."""
    given = settings.n_samples
    if given is not None and n_players > 1 and given < min(2 * n_players, 2**n_players - 2):
        raise Refused(
            f"{_AT}.ShapConfig.NumberOfSamples is {given}, but {n_players} features need at least "
            f"{min(2 * n_players, 2**n_players - 2)}"
        )


def _check_baseline(baseline: Mapping[str, Any]) -> None:
    at = f"{_AT}.ShapConfig.ShapBaselineConfig"
    given = [member for member in ("ShapBaseline", "ShapBaselineUri") if baseline.get(member)]
    if len(given) != 1:
        said = "neither is given" if not given else "both are given"
        raise Refused(f"{at} needs either ShapBaseline or ShapBaselineUri, and {said}")
    uri = baseline.get("ShapBaselineUri", "")
    if uri and not uri.startswith("s3://"):
        raise Refused(f"{at}.ShapBaselineUri must be an S3 address such as s3://bucket/key, not {uri!r}")


def _check_features(inference: Mapping[str, Any], shap: Mapping[str, Any]) -> None:
    """FeatureTypes are for text only, and text needs TextConfig. Source: API reference, ClarifyInferenceConfig."""
    types = inference.get("FeatureTypes", ())
    if types and "text" not in types:
        raise Refused(
            f"{_AT}.InferenceConfig.FeatureTypes must have at least one 'text'; leave it out for a model without text"
        )
    if types and "TextConfig" not in shap:
        raise Refused(
            f"{_AT}.InferenceConfig.FeatureTypes names text, and ShapConfig.TextConfig is not given"
        )


def _template(inference: Mapping[str, Any]) -> str:
    template: str = inference.get("ContentTemplate", "")
    if not template:
        if "FeaturesAttribute" in inference:
            raise Refused(f"{_AT}.InferenceConfig.FeaturesAttribute needs ContentTemplate beside it")
        return ""
    try:
        json.loads(template.replace(FEATURES, "[0]"))
        is_json = template.count(FEATURES) == 1
    except ValueError:
        is_json = False
    if not is_json:
        raise Refused(
            f"{_AT}.InferenceConfig.ContentTemplate {template!r} must be a JSON record with {FEATURES} in one place, "
            "for example '{\"features\":$features}'"
        )
    if "FeaturesAttribute" not in inference:
        raise Refused(f"{_AT}.InferenceConfig.ContentTemplate needs FeaturesAttribute beside it")
    return template


def _expression(
    doc: Mapping[str, Any], member: str, *, at: str = f"{_AT}.InferenceConfig"
) -> expressions.Expression | None:
    if member not in doc:
        return None
    try:
        return expressions.compiled(doc[member], at=f"{at}.{member}")
    except expressions.BadExpression as error:
        raise Refused(str(error)) from error
