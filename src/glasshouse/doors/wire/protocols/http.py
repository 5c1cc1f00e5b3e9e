"""What every protocol reads and writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import botocore.model

from glasshouse.kernel import errors, signatures
from glasshouse.kernel.signatures import refusals

REQUEST_ID = "x-amzn-RequestId"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    head: signatures.Head
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    content_type: str
    body: bytes
    headers: Mapping[str, str]


class WireProtocol(Protocol):
    """How requests, answers and errors of one protocol look."""

    family: refusals.Family

    def parse(self, operation: botocore.model.OperationModel, request: Request) -> dict[str, Any]:
        """The request by member names, in the form that kernel.model.read takes. Raises errors.WireError."""

    def answer(
        self, operation: botocore.model.OperationModel, value: Mapping[str, Any], request_id: str
    ) -> Answer:
        """The answer for what kernel.model.write gave."""

    def error(self, error: errors.WireError, request_id: str) -> Answer: ...


def unreadable(reason: str) -> errors.WireError:
    """A body that is not in the protocol's form."""
    return errors.WireError(reason, code="SerializationException", status=400)
