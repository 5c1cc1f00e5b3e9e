"""Endpoints whose decisions are recorded: said by reserved tags, since AWS's shapes have no member for it.

The tags of an endpoint configuration, and below them those of its models, are read once, when the configuration is
created, and kept in it; tags that change later change nothing.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from glasshouse.kernel import errors, objects
from glasshouse.kernel.context import Context
from glasshouse.kernel.ledger import LedgerUnavailable, serving

MEMBER = "_recording"
PREFIX = "glasshouse:"
FOLDER = "decisions"
VARIABLE = "GLASSHOUSE_DECISIONS"
TAGS = (
    "record",
    "threshold",
    "adverse",
    "adverse-name",
    "favourable-name",
    "policy",
    "policy-baseline",
    "subject",
    "outcome",
)
"""What a tag is called behind the prefix. A policy and its baseline are S3 URIs; subject and outcome JMESPath.

A subject may also be `inference-id` or `custom-attributes`: members of the invocation.
"""

_LARGEST = 4 << 20
_DECIDES = ("threshold", "policy", "outcome")
"""A model that has one of these takes decisions, which are recorded unless `record` says false."""


def of_tags(labels: Mapping[str, str], *, models: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """What to keep in the configuration: nothing, or a rule for each variant. Raises errors.Validation.

    models: variant -> the tags of its model.
    """
    rules = {
        variant: _rule({**_own(below, at="model"), **_own(labels, at="endpoint configuration")})
        for variant, below in models.items()
    }
    wanted = {variant: rule for variant, rule in rules.items() if rule is not None}
    return {MEMBER: wanted} if wanted else {}


def fetch(rule: Mapping[str, str], folder: Path, context: Context) -> None:
    """Writes what the model server needs to decide. Raises errors.Fatal when a policy is not there."""
    folder.mkdir(parents=True)
    content: dict[str, Any] = {
        "rule": {
            **({"threshold": float(rule["threshold"])} if "threshold" in rule else {}),
            **{
                member: rule[tag]
                for member, tag in (
                    ("adverse", "adverse"),
                    ("adverse_name", "adverse-name"),
                    ("favourable_name", "favourable-name"),
                )
                if tag in rule
            },
        },
        "subject": rule.get("subject", ""),
        "outcome": rule.get("outcome", ""),
    }
    if "policy" in rule:
        content["rule"]["policy"] = _text(rule["policy"], context, tag="policy")
    if "policy-baseline" in rule:
        content["rule"]["baseline"] = _document(rule["policy-baseline"], context)
    (folder / "config.json").write_text(json.dumps(content), encoding="utf-8")


def keep(variant: Mapping[str, Any], store: Path, environment: str, context: Context) -> str:
    """Keeps what serves a variant with the ledger, the model's archive too; its digest.

    store: where the model was fetched to. Raises errors.Retry when the ledger cannot be written.
    """
    container, digest = variant["container"], ""
    try:
        if container["ModelData"].get("form") == "archive":
            (archive,) = (store / "data").iterdir()
            digest = variant["model_digest"]
            if not context.ports.ledger.has_bundle(digest):
                context.ports.ledger.keep_bundle(digest, archive.read_bytes())
        served = serving.Served(
            image=container["Image"],
            environment=environment,
            variables=container["Environment"],
            model=digest,
            explained=(store / "explainer").exists(),
        ).to_bytes()
        found = hashlib.sha256(served).hexdigest()
        context.ports.ledger.keep_bundle(found, served)
    except LedgerUnavailable as error:
        raise errors.Retry(f"What serves could not be kept with the ledger: {error}") from error
    return found


def variables(rule: Mapping[str, str] | None, opt_ml: str) -> dict[str, str]:
    """What a model server is told of it."""
    return {VARIABLE: f"{opt_ml}/{FOLDER}"} if rule is not None else {}


def _own(labels: Mapping[str, str], *, at: str) -> dict[str, str]:
    """The reserved tags without their prefix. Raises errors.Validation for one that is not known."""
    found = {
        key.removeprefix(PREFIX): value for key, value in labels.items() if key.startswith(PREFIX) and value
    }
    for name in found:
        if name not in TAGS:
            known = ", ".join(PREFIX + tag for tag in TAGS)
            raise errors.Validation(f"The tag {PREFIX}{name} of the {at} is not known; known are {known}.")
    return found


def _rule(found: dict[str, str]) -> dict[str, str] | None:
    """The rule of a variant; None when nothing is recorded."""
    wanted = found.pop("record", "true" if any(tag in found for tag in _DECIDES) else "false").lower()
    if wanted not in ("true", "false"):
        raise errors.Validation(f"The tag {PREFIX}record must be true or false, not {wanted!r}.")
    if wanted == "false":
        return None
    if "threshold" in found and not _is_number(found["threshold"]):
        raise errors.Validation(f"The tag {PREFIX}threshold must be a number, not {found['threshold']!r}.")
    if found.get("adverse", "above") not in ("above", "below"):
        raise errors.Validation(f"The tag {PREFIX}adverse must be above or below, not {found['adverse']!r}.")
    if "policy-baseline" in found and "policy" not in found:
        raise errors.Validation(f"The tag {PREFIX}policy-baseline needs {PREFIX}policy.")
    if "policy" in found and "threshold" in found:
        raise errors.Validation(f"The policy says the threshold: leave the tag {PREFIX}threshold out.")
    for tag in ("policy", "policy-baseline"):
        if tag in found and not found[tag].startswith("s3://"):
            raise errors.Validation(f"The tag {PREFIX}{tag} must be an S3 URI, not {found[tag]!r}.")
    return found


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _document(uri: str, context: Context) -> Any:
    try:
        return json.loads(_text(uri, context, tag="policy-baseline"))
    except ValueError as error:
        raise errors.Fatal(f"{uri}, which the tag {PREFIX}policy-baseline names, is not JSON.") from error


def _text(uri: str, context: Context, *, tag: str) -> str:
    service = context.ports.objects
    try:
        version = service.head(objects.Place.of_uri(context.caller.account, uri))
    except errors.WireError as error:
        raise errors.Fatal(f"Could not find {uri}, which the tag {PREFIX}{tag} names.") from error
    if version.size_bytes > _LARGEST:
        raise errors.Fatal(f"{uri}, which the tag {PREFIX}{tag} names, is larger than {_LARGEST} bytes.")
    try:
        return b"".join(service.read(version)).decode("utf-8")
    except UnicodeDecodeError as error:
        raise errors.Fatal(f"{uri}, which the tag {PREFIX}{tag} names, is not UTF-8.") from error
