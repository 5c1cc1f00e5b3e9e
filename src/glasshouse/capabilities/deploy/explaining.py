"""Explanations of an endpoint's answers and of a transform job's: checked here, and laid out for the model server.

The explaining itself is done in the model's sandbox, beside the model (`glasskit.container.explaining`). AWS has no
member that makes a transform job explain; here the job's environment does: GLASSHOUSE_EXPLAIN.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from glasshouse.kernel import errors, objects
from glasshouse.kernel.context import Context
from glasskit.clarify import online_rows, online_settings

Config = Mapping[str, Any]

FOLDER = "explainer"
VARIABLE = "GLASSHOUSE_EXPLAINER"
EXPLAIN, EXPLAIN_BASELINE = "GLASSHOUSE_EXPLAIN", "GLASSHOUSE_EXPLAIN_BASELINE"
PARQUET = "application/x-parquet"
_BASELINE = "ExplainerConfig.ClarifyExplainerConfig.ShapConfig.ShapBaselineConfig.ShapBaselineUri"


def check(doc: Mapping[str, Any]) -> None:
    """Raises errors.Validation for an ExplainerConfig that cannot be carried out."""
    config = doc.get("ExplainerConfig")
    if config is None:
        return
    if "ClarifyExplainerConfig" not in config:
        raise errors.Validation("ExplainerConfig.ClarifyExplainerConfig must be given.")
    try:
        online_rows.checked(config["ClarifyExplainerConfig"])
    except online_settings.Refused as error:
        raise errors.Validation(f"{error}.") from error


def check_transform(doc: Mapping[str, Any], variables: Mapping[str, str]) -> None:
    """What a transform job asks for by GLASSHOUSE_EXPLAIN in `variables`. Raises errors.Validation."""
    asked = {name: value for name, value in variables.items() if name.startswith(EXPLAIN)}
    unknown = sorted(set(asked) - {EXPLAIN, EXPLAIN_BASELINE})
    if unknown:
        raise errors.Validation(
            f"Environment.{unknown[0]} is not known; use {EXPLAIN} and {EXPLAIN_BASELINE}."
        )
    wanted = asked.get(EXPLAIN, "false").lower()
    if wanted not in ("true", "false"):
        raise errors.Validation(f"Environment.{EXPLAIN} must be true or false, not {asked[EXPLAIN]!r}.")
    if wanted == "false":
        if asked.get(EXPLAIN_BASELINE):
            raise errors.Validation(f"Environment.{EXPLAIN_BASELINE} needs {EXPLAIN} to be true.")
        return
    source, target = doc["TransformInput"], doc["TransformOutput"]
    kinds = {
        "TransformInput.ContentType": source.get("ContentType", ""),
        "TransformOutput.Accept": target.get("Accept") or "text/csv",
    }
    for member, given in kinds.items():
        media = given.partition(";")[0].strip().lower()
        if media not in (*online_settings.TYPES, PARQUET):
            raise errors.Validation(
                f"With {EXPLAIN}, {member} must be text/csv, application/jsonlines or {PARQUET}, not {given!r}."
            )
        if media == PARQUET and (
            source.get("SplitType", "None") != "None" or target.get("AssembleWith", "None") != "None"
        ):
            raise errors.Validation(
                f"{member} is {PARQUET}, whose files are explained whole: leave SplitType and AssembleWith out."
            )


def fetch(config: Config, folder: Path, context: Context) -> None:
    """Writes the configuration, and a copy of a baseline that lies in S3, into the folder.

    Raises errors.Fatal when the baseline is not there.
    """
    clarify = config["ClarifyExplainerConfig"]
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(clarify), encoding="utf-8")
    uri = clarify["ShapConfig"]["ShapBaselineConfig"].get("ShapBaselineUri")
    if not uri:
        return
    service = context.ports.objects
    try:
        version = service.head(objects.Place.of_uri(context.caller.account, uri))
    except errors.WireError as error:
        raise errors.Fatal(f"Could not find the SHAP baseline at {uri}, which {_BASELINE} names.") from error
    with (folder / "baseline").open("wb") as file:
        for chunk in service.read(version):
            file.write(chunk)


def variables(config: Config | None, opt_ml: str) -> dict[str, str]:
    """What a model server is told of its explainer."""
    return {VARIABLE: f"{opt_ml}/{FOLDER}"} if config else {}
