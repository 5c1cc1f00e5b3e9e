"""An invocation and its answer, whatever answers it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

CUSTOM_ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The body of an invocation. Header names are in lower case; values are as they came."""

    body: bytes
    headers: Mapping[str, str]

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "")

    @property
    def accept(self) -> str:
        return self.headers.get("accept", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Status, body and headers of a response."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """What scores the features of a request as they come. float32: after rounding them to float32."""

    model: object
    float32: bool = False


class Handler(Protocol):
    """Answers invocations; called from several threads at once."""

    def invoke(self, request: Request) -> Answer: ...
    def scored_by(self) -> Scored | None:
        """The library's model that scores, where no code of the user's stands between it and the answer."""

    def execution_parameters(self) -> Mapping[str, object]:
        """What GET /execution-parameters says besides the defaults."""


class Scorer(Handler, Protocol):
    """The handler of a model itself, which knows the rows of a request."""

    def features(self, request: Request) -> npt.NDArray[np.float64] | None:
        """The rows (n, F) of a request as the model scores them; None where that is not known. Raises Rejected."""


class Rejected(Exception):
    """An invocation that cannot be answered; becomes the status and the text of the answer."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def accepted(header: str, default: str) -> str:
    """The type to answer with: the header, or the default where it is absent or accepts anything."""
    return default if header.strip() in ("", "*/*") else header
