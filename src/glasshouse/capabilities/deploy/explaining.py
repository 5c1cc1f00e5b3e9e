"""Explanations of an endpoint's answers: its ExplainerConfig checked, and laid out for the model server.

The explaining itself is done in the model's sandbox, beside the model (`glasskit.container.explaining`).
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
