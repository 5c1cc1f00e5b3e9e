"""AWS query (STS, IAM): a form comes in, XML goes out."""

from __future__ import annotations

import re
import urllib.parse
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any

import botocore.model

from glasshouse.doors.wire.protocols import http, text
from glasshouse.kernel import errors
from glasshouse.kernel.signatures import refusals

CONTENT_TYPE = "text/xml"

_NOT_PARAMETERS = frozenset({"Action", "Version"})
_MOST_FIELDS = 10_000
_DEEPEST = 32
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

CODES: Mapping[str, tuple[str, int]] = {
    "ValidationException": ("ValidationError", 400),
    "AccessDeniedException": ("AccessDenied", 403),
    "UnknownOperationException": ("InvalidAction", 400),
    "SerializationException": ("MalformedInput", 400),
    "ExpiredTokenException": ("ExpiredToken", 403),
    "UnrecognizedClientException": ("InvalidClientTokenId", 403),
    "ResourceLimitExceeded": ("LimitExceeded", 409),
}
"""The kernel's codes and statuses as query services name them (IAM and STS, "Common Errors")."""

Tree = dict[str, "Tree | str"]


def fields(request: http.Request) -> dict[str, str]:
    """The form in the body and in the query, without what belongs to a presigned URL. Raises errors.WireError."""
    try:
        pairs = _decoded(request.body.decode("utf-8")) + _decoded(request.head.query)
    except ValueError as exc:
        raise http.unreadable("The form cannot be decoded.") from exc
    given = [(name, value) for name, value in pairs if not name.startswith("X-Amz-")]
    if len({name for name, _ in given}) != len(given):
        raise http.unreadable("A parameter is given twice.")
    return dict(given)


def _decoded(form: str) -> list[tuple[str, str]]:
    return urllib.parse.parse_qsl(form, keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)


class Query:
    """Parses and answers for any service that speaks the protocol."""

    family: refusals.Family = "query"

    def parse(self, operation: botocore.model.OperationModel, request: http.Request) -> dict[str, Any]:
        tree: Tree = {}
        for name, value in fields(request).items():
            if name not in _NOT_PARAMETERS:
                _graft(tree, name, value)
        shape = operation.input_shape
        return _structure(shape, tree) if shape is not None else dict(tree)

    def answer(
        self, operation: botocore.model.OperationModel, value: Mapping[str, Any], request_id: str
    ) -> http.Answer:
        namespace = operation.service_model.metadata.get("xmlNamespace", "")
        root = ET.Element(f"{operation.name}Response", {"xmlns": namespace})
        shape = operation.output_shape
        if shape is not None:
            result = ET.SubElement(root, shape.serialization.get("resultWrapper", f"{operation.name}Result"))
            _write_structure(result, shape, value)
        ET.SubElement(ET.SubElement(root, "ResponseMetadata"), "RequestId").text = request_id
        return _answer(200, root, request_id)

    def error(self, error: errors.WireError, request_id: str) -> http.Answer:
        code, status = CODES.get(error.code, (error.code, error.status))
        root = ET.Element("ErrorResponse")
        node = ET.SubElement(root, "Error")
        ET.SubElement(node, "Type").text = "Receiver" if status >= 500 else "Sender"
        ET.SubElement(node, "Code").text = code
        ET.SubElement(node, "Message").text = _clean(error.message)
        ET.SubElement(root, "RequestId").text = request_id
        return _answer(status, root, request_id)


def _answer(status: int, root: ET.Element, request_id: str) -> http.Answer:
    body = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return http.Answer(
        status=status, content_type=CONTENT_TYPE, body=body, headers={http.REQUEST_ID: request_id}
    )


# --- form to values ------------------------------------------------------------------------------


def _graft(tree: Tree, name: str, value: str) -> None:
    """Puts "A.member.1.B" into the tree at A, member, 1, B."""
    *branches, leaf = name.split(".")
    if len(branches) > _DEEPEST:
        raise http.unreadable(f"The parameter {name[:100]} is nested too deep.")
    for branch in branches:
        found = tree.setdefault(branch, {})
        if isinstance(found, str):
            raise http.unreadable(f"The parameter {name[:100]} contradicts another.")
        tree = found
    if leaf in tree:
        raise http.unreadable(f"The parameter {name[:100]} contradicts another.")
    tree[leaf] = value


def _value(shape: botocore.model.Shape, tree: Tree | str) -> Any:
    """The tree as a value of the shape; whatever does not fit stays as it is, for validation to refuse."""
    if isinstance(shape, botocore.model.ListShape):
        return _list(shape, tree)
    if isinstance(tree, str):
        return text.parsed(shape, tree)
    if isinstance(shape, botocore.model.StructureShape):
        return _structure(shape, tree)
    if isinstance(shape, botocore.model.MapShape):
        return _map(shape, tree)
    return tree


def _structure(shape: botocore.model.StructureShape, tree: Tree) -> dict[str, Any]:
    members = {_name(member, name): (name, member) for name, member in shape.members.items()}
    result: dict[str, Any] = {}
    for given, subtree in tree.items():
        name, member = members.get(given, (given, None))
        result[name] = _value(member, subtree) if member is not None else subtree
    return result


def _list(shape: botocore.model.ListShape, tree: Tree | str) -> Any:
    if tree == "":
        return []
    items = tree if _is_flat(shape) else _only(tree, shape.member.serialization.get("name", "member"))
    if isinstance(items, str) or not all(key.isascii() and key.isdigit() for key in items):
        return tree
    return [_value(shape.member, items[key]) for key in sorted(items, key=int)]


def _map(shape: botocore.model.MapShape, tree: Tree) -> Any:
    entries = tree if _is_flat(shape) else _only(tree, "entry")
    if isinstance(entries, str):
        return tree
    key_name, value_name = _name(shape.key, "key"), _name(shape.value, "value")
    result: dict[str, Any] = {}
    for entry in entries.values():
        if isinstance(entry, str) or entry.keys() != {key_name, value_name}:
            return tree
        result[str(entry[key_name])] = _value(shape.value, entry[value_name])
    return result


def _only(tree: Tree | str, name: str) -> Tree | str:
    """The branch of that name when the tree has no other; "" otherwise."""
    return tree[name] if isinstance(tree, dict) and tree.keys() == {name} else ""


# --- values to XML -------------------------------------------------------------------------------


def _write(parent: ET.Element, name: str, shape: botocore.model.Shape, value: Any) -> None:
    if isinstance(shape, botocore.model.ListShape):
        _write_list(parent, name, shape, value)
    elif isinstance(shape, botocore.model.MapShape):
        _write_map(parent, name, shape, value)
    elif isinstance(shape, botocore.model.StructureShape):
        _write_structure(ET.SubElement(parent, name), shape, value)
    else:
        ET.SubElement(parent, name).text = _clean(text.written(shape, value, timestamps="iso8601"))


def _write_structure(
    node: ET.Element, shape: botocore.model.StructureShape, value: Mapping[str, Any]
) -> None:
    for name, member in shape.members.items():
        if name in value:
            _write(node, _name(member, name), member, value[name])


def _write_list(parent: ET.Element, name: str, shape: botocore.model.ListShape, value: list[Any]) -> None:
    flat = _is_flat(shape)
    node = parent if flat else ET.SubElement(parent, name)
    item_name = shape.member.serialization.get("name", name if flat else "member")
    for item in value:
        _write(node, item_name, shape.member, item)


def _write_map(
    parent: ET.Element, name: str, shape: botocore.model.MapShape, value: Mapping[str, Any]
) -> None:
    flat = _is_flat(shape)
    node = parent if flat else ET.SubElement(parent, name)
    for key, held in value.items():
        entry = ET.SubElement(node, name if flat else "entry")
        _write(entry, _name(shape.key, "key"), shape.key, key)
        _write(entry, _name(shape.value, "value"), shape.value, held)


def _name(shape: botocore.model.Shape, default: str) -> str:
    return str(shape.serialization.get("name", default))


def _is_flat(shape: botocore.model.Shape) -> bool:
    return bool(shape.serialization.get("flattened"))


def _clean(value: str) -> str:
    """XML 1.0 has no way to write most control characters."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", value)
