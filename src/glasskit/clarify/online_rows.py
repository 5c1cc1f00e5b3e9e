"""Records of requests and baselines as rows of features. Needs the standard library only, as the platform does."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from typing import Any

from glasskit.clarify import online_expressions as expressions
from glasskit.clarify import online_settings
from glasskit.clarify.online_settings import Form, Settings

Rows = list[list[Any]]
"""Texts of a CSV, values of JSON."""


class BadRecords(ValueError):
    """The records are not what their form says; the text names the record."""


def checked(config: Mapping[str, Any]) -> Settings:
    """The settings of a ClarifyExplainerConfig, with its baseline looked at if it is written there.

    Raises online_settings.Refused.
    """
    settings = online_settings.read(config)
    inline = config["ShapConfig"]["ShapBaselineConfig"].get("ShapBaseline", "")
    if inline:
        try:
            rows = read(inline.encode(), settings.baseline_form, settings, what="ShapBaseline")
        except BadRecords as error:
            raise online_settings.Refused(str(error)) from error
        online_settings.check_width(settings, len(rows[0]))
    return settings


def read(body: bytes, form: Form, settings: Settings, *, what: str) -> Rows:
    """The features of every record, at least one, all of one length. Raises BadRecords, which calls them `what`."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadRecords(f"{what} is not UTF-8") from error
    rows = _csv(text, what) if form == "csv" else _json_lines(text, settings, what)
    if not rows:
        raise BadRecords(f"{what} has no records")
    for number, row in enumerate(rows, start=1):
        if len(row) != len(rows[0]):
            raise BadRecords(
                f"record {number} of {what} has {len(row)} features and record 1 has {len(rows[0])}"
            )
        if not row or any(isinstance(cell, list | dict) for cell in row):
            said = "a feature that is a list or an object" if row else "no features"
            raise BadRecords(f"record {number} of {what} has {said}")
    return rows


def _csv(text: str, what: str) -> Rows:
    try:
        return [row for row in csv.reader(io.StringIO(text)) if row]
    except csv.Error as error:
        raise BadRecords(f"{what} is not CSV: {error}") from error


def _json_lines(text: str, settings: Settings, what: str) -> Rows:
    rows = []
    for number, line in enumerate((line for line in text.split("\n") if line.strip()), start=1):
        try:
            record = json.loads(line)
            features = settings.features.of(record) if settings.features else record
        except (ValueError, expressions.BadExpression) as error:
            raise BadRecords(f"record {number} of {what} is not JSON: {error}") from error
        if not isinstance(features, list):
            place = f"at {settings.features.text!r}" if settings.features else "itself"
            raise BadRecords(f"record {number} of {what} has no list of features {place}")
        rows.append(features)
    return rows
