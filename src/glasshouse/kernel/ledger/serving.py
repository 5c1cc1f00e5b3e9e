"""What served a decision, as it is kept with the ledger: enough to ask the same model again."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

FORM = 1


class ServedUnreadable(ValueError):
    """Bytes that do not say what served."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """model: the digest of the model's archive, "" where it was not one. environment: that of what it ran in.

    explained: whether the answers went through an explainer.
    """

    image: str
    environment: str
    model: str
    explained: bool
    variables: Mapping[str, str] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """Canonical: equal servers have equal bytes."""
        told = {"form": FORM, **dataclasses.asdict(self)}
        return json.dumps(told, sort_keys=True, separators=(",", ":")).encode()


def from_bytes(data: bytes) -> Served:
    """Raises ServedUnreadable."""
    try:
        told: dict[str, Any] = json.loads(data)
        if told.pop("form") != FORM:
            raise ServedUnreadable(f"it is not of form {FORM}")
        return Served(**told)
    except (TypeError, KeyError, ValueError) as error:
        raise ServedUnreadable(f"what served cannot be read: {error}") from error
