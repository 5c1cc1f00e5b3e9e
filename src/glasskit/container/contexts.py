"""The optional last argument of a user's serving functions: facts of the request, and marks on the answer.

It has the methods of multi-model-server's context that SageMaker's documentation shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class Context:
    """One per request (and one for model_fn). The index argument is there for compatibility; it is always 0."""

    def __init__(self, model_dir: str, headers: Mapping[str, str]) -> None:
        self.system_properties: dict[str, Any] = {"model_dir": model_dir, "gpu_id": None}
        self.request_processor = [self]
        self.response_headers: dict[str, str] = {}
        self.response_content_type: str | None = None
        self.response_status: tuple[int, str] | None = None
        self._headers = dict(headers)

    def get_request_properties(self) -> dict[str, str]:
        """All request headers; names in lower case."""
        return dict(self._headers)

    def get_all_request_header(self, idx: int = 0) -> dict[str, str]:
        """All request headers; names in lower case."""
        return dict(self._headers)

    def get_request_header(self, idx: int, key: str) -> str | None:
        """One request header; upper and lower case are the same."""
        return self._headers.get(key.lower())

    def set_response_header(self, idx: int, key: str, value: str) -> None:
        """Adds a header to the answer, for example X-Amzn-SageMaker-Custom-Attributes."""
        self.response_headers[key.lower()] = str(value)

    def set_response_content_type(self, idx: int, value: str) -> None:
        """Sets the answer's Content-Type."""
        self.response_content_type = value

    def set_response_status(self, code: int = 200, phrase: str = "", idx: int = 0) -> None:
        """Sets the answer's status."""
        self.response_status = (code, phrase)
