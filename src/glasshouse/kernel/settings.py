"""Every setting, with its default, unit and meaning. The only module that reads the environment."""

from __future__ import annotations

import dataclasses
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

PREFIX = "GLASSHOUSE_"
RESERVED = ("GLASSHOUSE_TEST_",)
"""Prefixes that the tests use for themselves."""

PASSED_TO_JOBS = (
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "PIP_INDEX_URL",
    "PIP_EXTRA_INDEX_URL",
    "PIP_CERT",
    "UV_INDEX_URL",
    "UV_DEFAULT_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
)
"""Variables of the server's environment that a job with network may need to reach a package index."""


ACCEPT_RISK = "accept-the-risk"
"""What `unsandboxed_jobs` must say, word for word."""


class UnknownSetting(ValueError):
    """A variable with our prefix that names no setting."""


class BadSetting(ValueError):
    """A setting with a value that it cannot have."""


def _default_data() -> Path:
    return Path.home() / ".glasshouse"


def _told(default: Any, text: str) -> Any:
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a server needs to know at start. Each field `x` is set by GLASSHOUSE_X or by an option."""

    data: Path = field(
        default_factory=_default_data,
        metadata={"help": "Folder that holds everything the server keeps."},
    )
    host: str = _told("127.0.0.1", "Address to listen on.")
    port: int = _told(8400, "TCP port to listen on; 0 takes a free one.")
    account: str = _told("000000000000", "The account id, 12 digits.")
    region: str = _told("us-east-1", "The region; must be one AWS has, since SDKs check it.")
    insecure: bool = _told(False, "Accept plain HTTP on an address other than loopback.")
    tls_certificate: str = _told(
        "", "PEM file with the server's certificate and its chain up to the root; empty for HTTP."
    )
    tls_key: str = _told("", "PEM file with the private key of the certificate.")
    store_url: str = _told(
        "", "SQLAlchemy URL of a PostgreSQL database; empty for SQLite in the data folder."
    )
    files_url: str = _told("", "Where objects are kept: s3://bucket/prefix; empty for the data folder.")
    files_endpoint: str = _told("", "The address of that S3; empty for Amazon's own.")
    files_region: str = _told("us-east-1", "The region of that S3.")
    files_access_key_id: str = _told("", "The key for that S3.")
    files_secret_access_key: str = field(
        default="",
        repr=False,
        metadata={"help": "The secret of that key; give it in the environment only.", "secret": True},
    )
    files_session_token: str = field(
        default="",
        repr=False,
        metadata={"help": "The session token of a temporary key; in the environment only.", "secret": True},
    )
    environments: str = _told(
        "", "Folder for built runtimes, shared by data folders; empty for one in the user's cache."
    )
    unsandboxed_jobs: str = _told(
        "", "The words accept-the-risk let jobs run without isolation where the sandbox cannot be had."
    )
    relax_patterns: bool = _told(False, "Accept strings that break the service model's patterns.")
    ledger_anchor: str = _told(
        "",
        "File outside the data folder that keeps the decision ledger's anchors; empty for one in the user's state "
        "folder, named after the ledger.",
    )
    ledger_anchor_url: str = _told(
        "",
        "Where the anchors are put besides: s3://bucket/prefix, a bucket with object lock; empty for nowhere.",
    )
    ledger_anchor_endpoint: str = _told("", "The address of that S3; empty for Amazon's own.")
    ledger_anchor_region: str = _told("us-east-1", "The region of that S3.")
    ledger_anchor_access_key_id: str = _told("", "The key for that S3, which need only put and list.")
    ledger_anchor_secret_access_key: str = field(
        default="",
        repr=False,
        metadata={"help": "The secret of that key; give it in the environment only.", "secret": True},
    )
    workers: int = _told(8, "Threads that carry work forward.")
    lease_s: float = _told(15.0, "Seconds after which the work of a dead server may be taken over.")
    drain_s: float = _told(20.0, "Seconds that running requests get when the server is told to end.")
    job_environment: Mapping[str, str] = field(
        default_factory=dict,
        metadata={"help": "Not a variable: what jobs with network inherit.", "internal": True},
    )

    def __post_init__(self) -> None:
        for name, is_good, rule in _rules(self):
            if not is_good:
                raise BadSetting(f"{PREFIX}{name.upper()} {rule}, not {getattr(self, name)!r}.")

    @classmethod
    def read(
        cls, overrides: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None
    ) -> Self:
        """Settings from the environment, then from `overrides` (None values are left out).

        Raises UnknownSetting for a variable with our prefix that is no setting, and BadSetting for a bad value.
        """
        source = os.environ if environ is None else environ
        values = _from_environment(source, {f.name: f for f in dataclasses.fields(cls)})
        values |= {name: value for name, value in (overrides or {}).items() if value is not None}
        values["data"] = Path(values.get("data", _default_data())).expanduser().resolve()
        values["job_environment"] = {name: source[name] for name in PASSED_TO_JOBS if name in source}
        return cls(**values)

    @property
    def environments_folder(self) -> Path:
        """Built from locks, so it can be thrown away: no part of the data that a backup must hold."""
        chosen = self.environments or Path.home() / ".cache" / "glasshouse" / "environments"
        return Path(chosen).expanduser().resolve()

    def anchor_file(self, ledger: str) -> Path:
        """Where the anchors of a ledger are kept."""
        default = Path.home() / ".local" / "state" / "glasshouse" / "anchors" / f"{ledger}.anchors"
        return Path(self.ledger_anchor).expanduser().resolve() if self.ledger_anchor else default

    @property
    def credentials_file(self) -> Path:
        """The root identity's keys, readable by the owner only."""
        return self.data / "credentials.json"

    @property
    def is_loopback(self) -> bool:
        return self.host in ("127.0.0.1", "::1", "localhost")


def _from_environment(
    source: Mapping[str, str], fields: Mapping[str, dataclasses.Field[Any]]
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for variable, text in source.items():
        if not variable.startswith(PREFIX) or variable.startswith(RESERVED):
            continue
        known = fields.get(variable.removeprefix(PREFIX).lower())
        if known is None or known.metadata.get("internal"):
            raise UnknownSetting(f"{variable} is not a setting; `glasshouse doctor` lists them all.")
        values[known.name] = _parsed(variable, text, known)
    return values


def _parsed(variable: str, text: str, known: dataclasses.Field[Any]) -> Any:
    kind = str(known.type)
    if kind == "bool":
        if text.lower() not in ("1", "true", "yes", "0", "false", "no", ""):
            raise BadSetting(f"{variable} must be true or false, not {text!r}.")
        return text.lower() in ("1", "true", "yes")
    if kind == "Path" and not text:
        raise BadSetting(f"{variable} must name a folder; unset it for the default.")
    try:
        return int(text) if kind == "int" else float(text) if kind == "float" else text
    except ValueError as error:
        raise BadSetting(f"{variable} must be a number, not {text!r}.") from error


def _rules(given: Settings) -> tuple[tuple[str, bool, str], ...]:
    """(setting, whether its value is good, what it must be)."""
    return (
        ("port", 0 <= given.port <= 65535, "must be a TCP port"),
        ("account", re.fullmatch(r"[0-9]{12}", given.account) is not None, "must be 12 digits"),
        ("region", re.fullmatch(r"[a-z]{2,}(-[a-z]+)+-[0-9]", given.region) is not None, "must be a region"),
        ("tls_key", bool(given.tls_key) == bool(given.tls_certificate), "belongs to a tls_certificate"),
        ("unsandboxed_jobs", given.unsandboxed_jobs in ("", ACCEPT_RISK), f"must be {ACCEPT_RISK} or empty"),
        (
            "files_url",
            re.fullmatch(r"(s3://[^/]+(/.*)?)?", given.files_url) is not None,
            "must be s3://bucket",
        ),
        (
            "ledger_anchor_url",
            re.fullmatch(r"(s3://[^/]+(/.*)?)?", given.ledger_anchor_url) is not None,
            "must be s3://bucket or s3://bucket/prefix",
        ),
        (
            "ledger_anchor_access_key_id",
            not given.ledger_anchor_url
            or bool(given.ledger_anchor_access_key_id and given.ledger_anchor_secret_access_key),
            "and its secret belong to a ledger_anchor_url",
        ),
        ("workers", given.workers >= 1, "must be at least 1"),
        ("lease_s", 0 < given.lease_s < math.inf, "must be more than 0 seconds"),
        ("drain_s", 0 <= given.drain_s < math.inf, "must be 0 seconds or more"),
    )
