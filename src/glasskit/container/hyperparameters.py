"""Hyperparameters as script mode passes them on: JSON-decoded values, command line, environment variables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

CONTROL = frozenset(
    {
        "sagemaker_program",
        "sagemaker_submit_directory",
        "sagemaker_enable_cloudwatch_metrics",
        "sagemaker_region",
    }
    | {"sagemaker_container_log_level", "sagemaker_job_name", "default_user_module_name"}
    | {"_tuning_objective_metric", "sagemaker_s3_output"}
)
"""Control parameters of the toolkit itself; other `sagemaker_*` names are parameters of the framework."""


def decode(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Each value JSON-decoded, or left as it is when it is not JSON.

    >>> decode({"a": "5", "b": '"x"', "c": "x"})
    {'a': 5, 'b': 'x', 'c': 'x'}
    """
    decoded = {}
    for name, value in raw.items():
        try:
            decoded[name] = json.loads(value)
        except (ValueError, TypeError):
            decoded[name] = value
    return decoded


def split(decoded: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """(the script's own, control parameters, the framework's)."""
    own = {
        name: value
        for name, value in decoded.items()
        if name not in CONTROL and not name.startswith("sagemaker_")
    }
    control = {name: value for name, value in decoded.items() if name in CONTROL}
    framework = {name: value for name, value in decoded.items() if name not in own and name not in control}
    return own, control, framework


def to_arguments(own: Mapping[str, Any]) -> list[str]:
    """`--name value` in the order of the names; one-letter names get one dash.

    >>> to_arguments({"n": 1, "flag": True, "none": None, "map": {"k": 1}, "list": [1, "a"]})
    ['--flag', 'True', '--list', "[1, 'a']", '--map', 'k=1', '-n', '1', '--none', '']
    """
    arguments = []
    for name in sorted(own):
        value = own[name]
        if isinstance(value, dict):
            text = ",".join(f"{key}={item}" for key, item in sorted(value.items()))
        else:
            text = "" if value is None else str(value)
        arguments += [f"--{name}" if len(name) > 1 else f"-{name}", text]
    return arguments


def to_variable(value: Any) -> str:
    """A value as the text of an SM_* variable: text as it is, nothing as "", all else as compact JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))
