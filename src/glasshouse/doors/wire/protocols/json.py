"""AWS JSON 1.0 and 1.1: the operation is in X-Amz-Target, everything else in the body."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import botocore.model
import orjson

from glasshouse.doors.wire.protocols import http
from glasshouse.kernel import errors
from glasshouse.kernel.signatures import refusals

Version = Literal["1.0", "1.1"]


class Json:
    family: refusals.Family = "json"

    def __init__(self, version: Version) -> None:
        self._content_type = f"application/x-amz-json-{version}"

    def parse(self, operation: botocore.model.OperationModel, request: http.Request) -> dict[str, Any]:
        return document(request.body)

    def answer(
        self, operation: botocore.model.OperationModel, value: Mapping[str, Any], request_id: str
    ) -> http.Answer:
        body = orjson.dumps(value) if operation.output_shape is not None else b""
        return http.Answer(
            status=200, content_type=self._content_type, body=body, headers={http.REQUEST_ID: request_id}
        )

    def error(self, error: errors.WireError, request_id: str) -> http.Answer:
        return error_answer(error, request_id, content_type=self._content_type)


def document(body: bytes) -> dict[str, Any]:
    """The JSON object in the body; no body counts as an empty one. Raises errors.WireError."""
    if not body:
        return {}
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as exc:
        raise http.unreadable(f"The body is not JSON: {exc}.") from exc
    if not isinstance(value, dict):
        raise http.unreadable("The body must be a JSON object.")
    return value


def error_answer(error: errors.WireError, request_id: str, *, content_type: str) -> http.Answer:
    """The error as JSON. Modelled errors call their text Message and the others message, so both are there."""
    body = {"__type": error.code, "message": error.message, "Message": error.message}
    return http.Answer(
        status=error.status,
        content_type=content_type,
        body=orjson.dumps(body),
        headers={http.REQUEST_ID: request_id, "x-amzn-ErrorType": error.code},
    )
