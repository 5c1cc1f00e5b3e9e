"""Identifiers: random ones for requests, attempts and keys, and Amazon resource names."""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass
from typing import NewType

Arn = NewType("Arn", str)


def request_id() -> str:
    """A random UUID in its usual text form."""
    return str(uuid.uuid4())


def token(n_bytes: int = 16) -> str:
    """A random lower-case hexadecimal string of 2 * n_bytes characters."""
    return secrets.token_hex(n_bytes)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArnParts:
    service: str
    region: str
    account: str
    resource: str


def arn(service: str, resource: str, *, region: str, account: str, partition: str = "aws") -> Arn:
    return Arn(f"arn:{partition}:{service}:{region}:{account}:{resource}")


def split_arn(text: str) -> ArnParts:
    """The parts of an ARN. Raises ValueError when `text` is not one."""
    pieces = text.split(":", 5)
    if len(pieces) != 6 or pieces[0] != "arn":
        raise ValueError(f"not an ARN: {text!r}")
    return ArnParts(service=pieces[2], region=pieces[3], account=pieces[4], resource=pieces[5])
