"""Which image is which runtime, as data. Accounts and regions differ for the same image, so neither counts."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from glasshouse.kernel import errors, ports
from glasskit import algorithms

PACKAGES = "/opt/ml/packages"
"""Where a job's own requirements go; the environment itself is read-only."""

_ANY = "*"
_CLARIFY = ("python", "-m", "glasskit.clarify")
_COMMANDS: Mapping[ports.Purpose, tuple[str, ...]] = {
    "training": ("python", "-m", "glasskit.container", "train"),
    "inference": ("python", "-m", "glasskit.container", "serve"),
}
_ENV = {
    "LANG": "C.UTF-8",
    "PYTHONUNBUFFERED": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONPATH": f"{PACKAGES}/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages",
    "PIP_PREFIX": PACKAGES,
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Images of one repository. `algorithm` is the built-in algorithm that runs without a script, "" for none.

    commands: what runs for each purpose; a purpose without one needs an entry point in the request.
    """

    repository: str
    tags: tuple[str, ...]
    purposes: frozenset[ports.Purpose]
    environment: str
    algorithm: str = ""
    commands: Mapping[ports.Purpose, tuple[str, ...]] = field(default_factory=lambda: _COMMANDS)

    def names(self) -> tuple[str, ...]:
        return tuple(f"{self.repository}:{tag}" for tag in self.tags)


FAMILIES = (
    Family(
        repository="xgboost",
        tags=("latest", "1"),
        purposes=frozenset({"training", "inference"}),
        environment="tabular",
        algorithm="xgboost",
    ),
    Family(
        repository="sagemaker-xgboost",
        tags=(_ANY,),
        purposes=frozenset({"training", "inference", "processing"}),
        environment="tabular",
        algorithm="xgboost",
    ),
    Family(
        repository="lightgbm",
        tags=("latest", "1"),
        purposes=frozenset({"training", "inference"}),
        environment="tabular",
        algorithm="lightgbm",
    ),
    Family(
        repository="sagemaker-scikit-learn",
        tags=(_ANY,),
        purposes=frozenset({"training", "inference", "processing"}),
        environment="tabular",
    ),
    Family(
        repository="sagemaker-clarify-processing",
        tags=("1.0", "latest"),
        purposes=frozenset({"processing"}),
        environment="tabular",
        commands={"processing": _CLARIFY},
    ),
)


def known() -> tuple[str, ...]:
    """Every image as `repository:tag`; `*` is any tag."""
    return tuple(name for family in FAMILIES for name in family.names())


def split(uri: str) -> tuple[str, str]:
    """Repository and tag of an image URI; the registry in front is dropped and a missing tag is `latest`.

    >>> split("811284229777.dkr.ecr.us-east-1.amazonaws.com/xgboost:1")
    ('xgboost', '1')
    """
    first, slash, rest = uri.partition("/")
    is_registry = bool(slash) and ("." in first or ":" in first or first == "localhost")
    repository, _, tag = (rest if is_registry else uri).partition(":")
    return repository, tag or "latest"


def resolve(uri: str) -> ports.Runtime:
    """The runtime of an image URI. Raises errors.Validation listing the known images."""
    repository, tag = split(uri)
    for family in FAMILIES:
        if family.repository == repository and (tag in family.tags or _ANY in family.tags):
            variables = {"GLASSHOUSE_ALGORITHM": family.algorithm} if family.algorithm else {}
            return ports.Runtime(
                name=repository,
                tag=tag,
                purposes=family.purposes,
                environment=family.environment,
                command={
                    purpose: argv for purpose, argv in family.commands.items() if purpose in family.purposes
                },
                env={**_ENV, **variables},
                metrics=algorithms.metric_patterns(family.algorithm) if family.algorithm else {},
            )
    raise errors.Validation(
        f"The image {uri} is not known. Known images, whatever their registry: {', '.join(known())}."
    )
