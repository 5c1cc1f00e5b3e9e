"""REST-JSON: method and path name the operation; members travel in path, query, headers and body as the model says."""

from __future__ import annotations

import base64
import re
import urllib.parse
from collections.abc import Mapping
from typing import Any

import botocore.model
import orjson

from glasshouse.doors.wire.protocols import http, json, text
from glasshouse.kernel import errors
from glasshouse.kernel.signatures import refusals

CONTENT_TYPE = "application/json"

_LABEL = re.compile(r"\{(\w+)(\+?)\}")


class Template:
    """A requestUri such as /endpoints/{EndpointName}/invocations."""

    def __init__(self, uri: str) -> None:
        path, _, query = uri.partition("?")
        self._query = frozenset(part.partition("=")[0] for part in query.split("&") if part)
        self._labels = [name for name, _ in _LABEL.findall(path)]
        pattern = ""
        for literal, _name, greedy in _pieces(path):
            pattern += re.escape(literal) + ("" if greedy is None else "(.+)" if greedy else "([^/]+)")
        self._pattern = re.compile(pattern)
        self.weight = (len(_LABEL.sub("", path)), len(self._query))
        """Of two templates that match, the heavier one is meant."""

    def match(self, path: str, query: str) -> dict[str, str] | None:
        """The decoded labels when the undecoded path is one of the template's, else None."""
        found = self._pattern.fullmatch(path)
        given = {part.partition("=")[0] for part in query.split("&")}
        if found is None or not self._query <= given:
            return None
        values = (urllib.parse.unquote(value) for value in found.groups())
        return dict(zip(self._labels, values, strict=True))


def _pieces(path: str) -> list[tuple[str, str, bool | None]]:
    """Literals, each with the label after it; greedy is None after the last."""
    pieces: list[tuple[str, str, bool | None]] = []
    at = 0
    for label in _LABEL.finditer(path):
        pieces.append((path[at : label.start()], label.group(1), bool(label.group(2))))
        at = label.end()
    pieces.append((path[at:], "", None))
    return pieces


class RestJson:
    family: refusals.Family = "json"

    def parse(self, operation: botocore.model.OperationModel, request: http.Request) -> dict[str, Any]:
        shape = operation.input_shape
        if shape is None:
            return {}
        labels = Template(operation.http["requestUri"]).match(request.head.path, request.head.query) or {}
        query = urllib.parse.parse_qsl(request.head.query, keep_blank_values=True)
        result = _from_body(shape, request)
        for name, member in shape.members.items():
            value = _located(member, name, labels, query, request)
            if value is not None:
                result[name] = value
        return result

    def answer(
        self, operation: botocore.model.OperationModel, value: Mapping[str, Any], request_id: str
    ) -> http.Answer:
        headers = {http.REQUEST_ID: request_id}
        status, shape = int(operation.http.get("responseCode", 200)), operation.output_shape
        if shape is None:
            return http.Answer(status=status, content_type=CONTENT_TYPE, body=b"", headers=headers)
        held: dict[str, Any] = {}
        for name, member in shape.members.items():
            location = member.serialization.get("location")
            if name not in value:
                continue
            if location == "statusCode":
                status = int(value[name])
            elif location in ("header", "headers"):
                headers |= _headers(member, name, value[name])
            else:
                held[name] = value[name]
        content_type, body = _body(shape, held, headers)
        return http.Answer(status=status, content_type=content_type, body=body, headers=headers)

    def error(self, error: errors.WireError, request_id: str) -> http.Answer:
        return json.error_answer(error, request_id, content_type=CONTENT_TYPE)


def _from_body(shape: botocore.model.StructureShape, request: http.Request) -> dict[str, Any]:
    payload = shape.serialization.get("payload")
    if payload is None:
        has_members = any("location" not in member.serialization for member in shape.members.values())
        return json.document(request.body) if has_members else {}
    member = shape.members[payload]
    if member.type_name == "blob":
        return {payload: request.body}
    if member.type_name == "string":
        return {payload: request.body.decode("utf-8", errors="replace")}
    return {payload: json.document(request.body)} if request.body else {}


def _located(
    member: botocore.model.Shape,
    name: str,
    labels: Mapping[str, str],
    query: list[tuple[str, str]],
    request: http.Request,
) -> Any:
    """The member's value from path, query or headers; None when it is not there or travels in the body."""
    location = member.serialization.get("location")
    wire_name = member.serialization.get("name", name)
    if location == "uri":
        return text.parsed(member, labels[wire_name]) if wire_name in labels else None
    if location == "header":
        given = request.head.header(wire_name.lower())
        return None if given is None else _header_value(member, given)
    if location == "headers":
        prefix = wire_name.lower()
        return {n[len(prefix) :]: v for n, v in request.head.headers if n.startswith(prefix)} or None
    if location == "querystring":
        return _queried(member, wire_name, query)
    return None


def _queried(member: botocore.model.Shape, wire_name: str, query: list[tuple[str, str]]) -> Any:
    if isinstance(member, botocore.model.MapShape):
        return dict(query) or None
    given = [value for name, value in query if name == wire_name]
    if isinstance(member, botocore.model.ListShape):
        return [text.parsed(member.member, value) for value in given] or None
    return text.parsed(member, given[0]) if given else None


def _header_value(member: botocore.model.Shape, given: str) -> Any:
    if isinstance(member, botocore.model.ListShape):
        return [text.parsed(member.member, item.strip()) for item in given.split(",")]
    if member.serialization.get("jsonvalue"):
        return base64.b64decode(given).decode()
    return text.parsed(member, given)


def _headers(member: botocore.model.Shape, name: str, value: Any) -> dict[str, str]:
    wire_name = str(member.serialization.get("name", name))
    if isinstance(member, botocore.model.MapShape):
        return {f"{wire_name}{key}": str(held) for key, held in value.items()}
    if isinstance(member, botocore.model.ListShape):
        items = (text.written(member.member, item, timestamps="rfc822") for item in value)
        return {wire_name: ",".join(items)}
    return {wire_name: text.written(member, value, timestamps="rfc822")}


def _body(
    shape: botocore.model.StructureShape, held: Mapping[str, Any], headers: dict[str, str]
) -> tuple[str, bytes]:
    payload = shape.serialization.get("payload")
    if payload is None:
        return CONTENT_TYPE, orjson.dumps(held)
    value, member = held.get(payload), shape.members[payload]
    content_type = headers.pop("Content-Type", None)
    if member.type_name == "blob":
        return content_type or "application/octet-stream", base64.b64decode(value or "")
    if member.type_name == "string":
        return content_type or "text/plain", (value or "").encode()
    return content_type or CONTENT_TYPE, orjson.dumps(value if value is not None else {})
