"""The door's table of operations against botocore's model of S3: a new version cannot change S3 unnoticed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import botocore.loaders
import pytest

from glasshouse.doors.files import operations, unoffered
from glasshouse.kernel.objects import faults

MODEL: dict[str, Any] = botocore.loaders.Loader().load_service_model("s3", "service-2")
SELECTED_BY_MEMBERS = {
    "ListParts": {"uploadId"},
    "UploadPart": {"partNumber", "uploadId"},
    "UploadPartCopy": {"partNumber", "uploadId"},
    "CompleteMultipartUpload": {"uploadId"},
    "AbortMultipartUpload": {"uploadId"},
}
"""Operations whose address in the model has no query: members that are always sent tell them apart."""
ELSEWHERE = {"ListDirectoryBuckets", "WriteGetObjectResponse"}
"""Operations of other endpoints."""
HARMLESS = {"Content-Length", "Content-Type"}


def addresses() -> Iterator[tuple[str, str, str, frozenset[str]]]:
    for name, operation in MODEL["operations"].items():
        path, _, query = operation["http"]["requestUri"].partition("?")
        level = "object" if "{Key" in path else "bucket" if "{Bucket" in path else "service"
        selector = {part.partition("=")[0] for part in query.split("&") if part}
        selector |= SELECTED_BY_MEMBERS.get(name, set())
        yield name, operation["http"]["method"], level, frozenset(selector)


def test_every_operation_of_s3_is_offered_or_refused_by_its_name() -> None:
    offered = {op.name: (op.method, op.level, op.selector) for op in operations.OPERATIONS}
    for name, method, level, selector in addresses():
        if name in offered:
            assert offered[name] == (method, level, selector), name
        elif name not in ELSEWHERE:
            assert (method, level, selector) in unoffered.NAMES, name
    assert set(offered) <= set(MODEL["operations"])
    assert set(unoffered.NAMES.values()) <= set(MODEL["operations"])


def members(name: str, location: str) -> list[str]:
    shape = MODEL["shapes"][MODEL["operations"][name]["input"]["shape"]]
    return [m["locationName"] for m in shape["members"].values() if m.get("location") == location]


@pytest.mark.parametrize("operation", operations.OPERATIONS, ids=lambda operation: operation.name)
def test_what_an_operation_takes_is_s3s_and_all_else_is_refused(operation: operations.Operation) -> None:
    known_params = set(members(operation.name, "querystring"))
    known_headers = {header.lower() for header in members(operation.name, "header")}
    assert operation.params - operation.selector <= known_params
    taken_beyond_the_model = {
        header for header in operation.headers - known_headers if not header.startswith("x-amz-checksum-")
    }
    assert taken_beyond_the_model <= {
        "if-range",
        "x-amz-trailer",
        "x-amz-decoded-content-length",
        "x-amz-sdk-checksum-algorithm",
    }
    for name in known_params - operation.params:
        with pytest.raises(faults.NotImplementedHere):
            operations.check_carried(operation, {name: "1"}, {})
    plain = {header.lower() for header in HARMLESS} | set(operation.headers)
    for name in known_headers - plain:
        if name.startswith("x-amz-") and name not in ("x-amz-expected-bucket-owner", "x-amz-request-payer"):
            with pytest.raises(faults.NotImplementedHere):
                operations.check_carried(operation, {}, {name: "1"})
