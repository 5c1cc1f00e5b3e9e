"""The batch driver's parts: records, groups, paths, joins and sending, against brute force and a real server."""

from __future__ import annotations

import contextlib
import gzip
import http.server
import itertools
import json
import socketserver
import struct
import tempfile
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasskit.container.batch import formats, orders, paths, records, sending
from glasskit.container.batch.client import Client

UNLIMITED = 2**62
Model = Callable[[bytes], tuple[int, str, bytes]]


def read(path: Path, split: str, *, limit_bytes: int = UNLIMITED, compression: str = "None") -> list[bytes]:
    found = records.read(path, split=split, compression=compression, limit_bytes=limit_bytes)
    return [record.body for record in found]


def frame(body: bytes) -> bytes:
    return struct.pack("<II", records.RECORD_IO_MAGIC, len(body)) + body + bytes(-len(body) % 4)


# --- records

content = st.lists(st.sampled_from([b"a", b"bb,c", b"", b"\r", b"\n", b"\r\n", b"\xff\x00"])).map(b"".join)


@given(data=content, zipped=st.booleans())
def test_lines_are_what_splitting_the_content_gives(tmp_path: Path, data: bytes, zipped: bool) -> None:
    path = tmp_path / "lines"
    path.write_bytes(gzip.compress(data) if zipped else data)
    expected = [line.rstrip(b"\r") for line in data.split(b"\n")]
    assert read(path, "Line", compression="Gzip" if zipped else "None") == [line for line in expected if line]


@given(bodies=st.lists(st.binary(max_size=20)))
def test_recordio_records_come_with_their_frames(tmp_path: Path, bodies: list[bytes]) -> None:
    path = tmp_path / "records"
    path.write_bytes(b"".join(map(frame, bodies)))
    assert read(path, "RecordIO") == [frame(body) for body in bodies]


@given(data=st.binary(max_size=50))
def test_an_unsplit_file_is_one_record_and_an_empty_one_is_none(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "whole"
    path.write_bytes(data)
    assert read(path, "None") == ([data] if data else [])


@pytest.mark.parametrize(
    ("split", "compression", "data", "words"),
    [
        ("Line", "Gzip", b"plain text", "is not gzip"),
        ("Line", "Gzip", gzip.compress(b"x" * 1000, mtime=0)[:-10], "is not gzip"),
        ("RecordIO", "None", b"12345678", "does not start with its magic number"),
        ("RecordIO", "None", frame(b"abcdef")[:-3], "ends within a RecordIO record"),
        ("RecordIO", "None", frame(b"ab") + b"xy", "ends within a RecordIO header"),
    ],
)
def test_a_file_that_is_not_what_it_is_said_to_be_is_refused(
    tmp_path: Path, split: str, compression: str, data: bytes, words: str
) -> None:
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(records.BadFile, match=words):
        read(tmp_path / "file", split, compression=compression)


@given(sizes=st.lists(st.integers(1, 30)), limit=st.integers(1, 20))
def test_a_record_above_the_limit_is_measured_and_not_held(
    tmp_path: Path, sizes: list[int], limit: int
) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"".join(b"x" * size + b"\n" for size in sizes))
    found = list(records.read(path, split="Line", compression="None", limit_bytes=limit))
    assert len(found) == len(sizes)
    for record, size in zip(found, sizes, strict=True):
        assert (record.size_bytes > limit) == (size > limit)
        assert len(record.body) <= limit + 1
        if size <= limit:
            assert (record.body, record.size_bytes) == (b"x" * size, size)


@pytest.mark.parametrize("split", ["Line", "None"])
@pytest.mark.slow
def test_neither_a_long_line_nor_a_large_file_fills_the_memory(tmp_path: Path, split: str) -> None:
    path = tmp_path / "bomb.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(64):
            file.write(bytes(1 << 20))
    tracemalloc.start()
    (found,) = records.read(path, split=split, compression="Gzip", limit_bytes=1 << 20)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.size_bytes >= 64 << 20
    assert peak < 8 << 20


# --- groups

some_records = st.lists(st.binary(min_size=1, max_size=12)).map(
    lambda bodies: [
        records.Record(number=n, body=body, size_bytes=len(body)) for n, body in enumerate(bodies, 1)
    ]
)


@given(found=some_records, limit=st.integers(1, 30), single=st.booleans())
def test_groups_keep_the_order_fill_the_limit_and_never_pass_it(
    found: list[records.Record], limit: int, single: bool
) -> None:
    groups = [batch.records for batch in records.grouped(found, single=single, limit_bytes=limit)]
    assert [record for group in groups for record in group] == found
    for group in groups:
        assert len(group) == 1 or len(b"\n".join(record.body for record in group)) <= limit
        assert not single or len(group) == 1
    for before, after in itertools.pairwise(groups):
        together = b"\n".join(record.body for record in (*before, after[0]))
        assert single or len(together) > limit


# --- paths

names = st.sampled_from(["a", "b_c", "d-e", "F9"])
scalars = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)
bounds = st.none() | st.integers(-5, 5)
steps = st.one_of(
    st.tuples(st.just("name"), names),
    st.tuples(st.just("names"), st.lists(names, min_size=1, max_size=3)),
    st.tuples(st.just("indices"), st.lists(st.integers(-5, 5), min_size=1, max_size=3)),
    st.tuples(st.just("slice"), st.tuples(bounds, bounds)),
    st.tuples(st.just("all"), st.none()),
)


def spelled(step: tuple[str, Any]) -> str:
    what, given_ = step
    match what:
        case "name":
            return f".{given_}"
        case "names":
            return "[" + ", ".join(f"'{name}'" for name in given_) + "]"
        case "indices":
            return "[" + ",".join(map(str, given_)) + "]"
        case "slice":
            return "[" + ":".join("" if bound is None else str(bound) for bound in given_) + "]"
    return "[*]"


def by_hand(steps_: list[tuple[str, Any]], value: Any) -> Any:
    """What the steps select; KeyError, IndexError or TypeError when there is nothing."""
    for what, given_ in steps_:
        if what in ("name", "names"):
            keys = [given_] if what == "name" else given_
            if not isinstance(value, dict):
                raise TypeError
            found = [value[key] for key in keys]
            value = found[0] if len(keys) == 1 else found
        elif what == "all" and isinstance(value, dict):
            value = list(value.values())
        elif not isinstance(value, list):
            raise TypeError
        elif what == "indices":
            found = [value[i] for i in given_]
            value = found[0] if len(given_) == 1 else found
        elif what == "slice":
            value = value[given_[0] : given_[1]]
    return value


@given(record=values, chosen=st.lists(steps, max_size=3))
def test_a_path_selects_what_following_it_by_hand_selects(record: Any, chosen: list[tuple[str, Any]]) -> None:
    path = paths.parse("$" + "".join(map(spelled, chosen)))
    try:
        expected = by_hand(chosen, record)
    except (KeyError, IndexError, TypeError):
        with pytest.raises(paths.NoMatch):
            path.apply(record)
    else:
        assert path.apply(record) == expected
    assert path.whole == (not chosen)


DOCUMENTED = {
    "$": ["a", "b", "c", "d", "e"],
    "$[0]": "a",
    "$[-1]": "e",
    "$[0,2]": ["a", "c"],
    "$[2:5]": ["c", "d", "e"],
    "$[:3]": ["a", "b", "c"],
    "$[2:]": ["c", "d", "e"],
    "$[*]": ["a", "b", "c", "d", "e"],
}
"""Source: developer guide, "Associate prediction results with input records", JSONPath operators."""


@pytest.mark.parametrize(("text", "expected"), DOCUMENTED.items())
def test_the_documented_paths_select_columns(text: str, expected: Any) -> None:
    assert paths.parse(text).apply(["a", "b", "c", "d", "e"]) == expected


@pytest.mark.parametrize(
    "text", ["", "a", "$.", "$[", "$['a]", "$..a", "$[1:2:3]", "$[?(@.a)]", "$a", "$[a]"]
)
def test_a_path_of_another_kind_is_refused(text: str) -> None:
    with pytest.raises(paths.BadPath):
        paths.parse(text)


# --- formats

fields = st.lists(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), max_size=5), min_size=1
)


@given(row=fields)
def test_a_csv_row_survives_reading_and_writing(row: list[str]) -> None:
    assert formats.parse(formats.written(row, "csv"), "csv") == row


@given(value=values)
def test_a_json_record_survives_reading_and_writing(value: Any) -> None:
    assert formats.parse(formats.written(value, "json"), "json") == value


@pytest.mark.parametrize(
    ("content_type", "form"),
    [
        ("text/csv", "csv"),
        ("text/csv; header=absent", "csv"),
        ("TEXT/CSV", "csv"),
        ("application/json; charset=utf-8", "json"),
        ("application/jsonlines", "json"),
        ("image/png", "other"),
        ("", "other"),
    ],
)
def test_the_format_follows_from_the_content_type(content_type: str, form: str) -> None:
    assert formats.format_of(content_type) == form


# --- sending


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, content_type, answer = self.server.model(body)  # type: ignore[attr-defined]  # set below
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""

    def address_string(self) -> str:
        return "test"


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


@contextlib.contextmanager
def serving(folder: Path, model: Model) -> Iterator[Path]:
    """A model server on a Unix socket."""
    path = folder / "m.sock"
    path.unlink(missing_ok=True)
    with _Server(str(path), _Handler) as server:
        server.model = model  # type: ignore[attr-defined]  # read by the handler
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield path
        finally:
            server.shutdown()
            thread.join()


def order(**changes: Any) -> orders.Orders:
    found = {
        "files": (),
        "server": (),
        "content_type": "text/csv",
        "compression": "None",
        "split": "Line",
        "accept": "",
        "assemble": "Line",
        "strategy": "MultiRecord",
        "max_payload_mb": 6,
        "max_concurrent": 1,
        "input_filter": "$",
        "output_filter": "$",
        "join": "None",
        "timeout_s": 10.0,
        "retries": 0,
        **changes,
    }
    return orders.Orders(**found)


def batch_of(*bodies: bytes) -> records.Batch:
    return records.Batch(
        records=tuple(
            records.Record(number=n, body=body, size_bytes=len(body)) for n, body in enumerate(bodies, 1)
        )
    )


def doubling(body: bytes) -> tuple[int, str, bytes]:
    """Doubles every row's first number; refuses a request in which one is not a number."""
    try:
        lines = [str(float(line.split(b",")[0]) * 2) for line in body.split(b"\n")]
    except ValueError as error:
        return 400, "text/plain", str(error).encode()
    return 200, "text/csv", "\n".join(lines).encode() + b"\n"


def sent(folder: Path, model: Model, found: records.Batch, **changes: Any) -> sending.Sent:
    with serving(folder, model) as path, contextlib.closing(Client(path, timeout_s=10.0)) as client:
        return sending.Sender(order(**changes), client).send(found)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="gh-") as path:
        yield Path(path)


@pytest.mark.slow
def test_the_record_at_fault_is_named_and_the_others_are_transformed(folder: Path) -> None:
    bodies = [b"%d" % n for n in range(100)]
    bodies[17] = bodies[61] = b"oops"
    requests: list[bytes] = []

    def model(body: bytes) -> tuple[int, str, bytes]:
        requests.append(body)
        return doubling(body)

    found = sent(folder, model, batch_of(*bodies))
    assert [failure.record for failure in found.failures] == [18, 62]
    assert all("oops" in failure.message and failure.status == 400 for failure in found.failures)
    answers = b"".join(found.pieces).split()
    assert answers == [str(n * 2.0).encode() for n in range(100) if n not in (17, 61)]
    assert len(requests) < 30  # by halving, not one by one


JOINS: list[tuple[str, dict[str, Any], Model, list[bytes], bytes]] = [
    (
        "csv, as it is",
        {"join": "Input"},
        doubling,
        [b'1,"x, y",2.50', b"2,z,3"],
        b'1,"x, y",2.50,2.0\n2,z,3,4.0\n',
    ),
    (
        "csv, some columns in and out",
        {"join": "Input", "input_filter": "$[1:]", "output_filter": "$[0,-1]"},
        doubling,
        [b"id1,7,8", b"id2,9,8"],
        b"id1,14.0\nid2,18.0\n",
    ),
    (
        "json objects gain a member",
        {"join": "Input", "content_type": "application/jsonlines"},
        lambda body: (
            200,
            "application/jsonlines",
            b"\n".join(b'{"score": %d}' % len(line) for line in body.split(b"\n")),
        ),
        [b'{"a":1}', b'{"a":22}'],
        b'{"a":1,"SageMakerOutput":{"score":7}}\n{"a":22,"SageMakerOutput":{"score":8}}\n',
    ),
    (
        "json that is no object becomes one",
        {"join": "Input", "content_type": "application/json"},
        lambda body: (200, "application/json", b"0.5"),
        [b"[1,2]"],
        b'{"SageMakerInput":[1,2],"SageMakerOutput":0.5}\n',
    ),
    (
        "json, a part in and a part out",
        {
            "join": "Input",
            "content_type": "application/json",
            "input_filter": "$.features",
            "output_filter": "$['id', 'SageMakerOutput']",
        },
        lambda body: (200, "application/json", body),
        [b'{"id":7,"features":[1,2]}'],
        b"[7,[1,2]]\n",
    ),
    (
        "the output alone, filtered",
        {"content_type": "application/json", "output_filter": "$.score"},
        lambda body: (200, "application/json", b'{"score":0.25,"label":1}'),
        [b"{}"],
        b"0.25\n",
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "model", "bodies", "expected"), [j[1:] for j in JOINS], ids=[j[0] for j in JOINS]
)
def test_inputs_and_outputs_are_filtered_and_joined(
    folder: Path, changes: dict[str, Any], model: Model, bodies: list[bytes], expected: bytes
) -> None:
    found = sent(folder, model, batch_of(*bodies), **changes)
    assert found.failures == ()
    assert b"".join(found.pieces) == expected


@pytest.mark.slow
def test_answers_that_cannot_be_told_apart_are_asked_for_one_by_one(folder: Path) -> None:
    def model(body: bytes) -> tuple[int, str, bytes]:
        return 200, "application/json", json.dumps({"n": body.count(b"\n") + 1}).encode()

    found = sent(folder, model, batch_of(b"1", b"2", b"3"), join="Input", content_type="application/json")
    assert b"".join(found.pieces) == b"".join(
        b'{"SageMakerInput":%d,"SageMakerOutput":{"n":1}}\n' % n for n in (1, 2, 3)
    )


@pytest.mark.slow
def test_a_record_that_cannot_be_filtered_or_is_too_large_is_named(folder: Path) -> None:
    too_large = records.Record(number=3, body=b"9", size_bytes=7 << 20)
    found = sent(
        folder,
        doubling,
        records.Batch(records=(*batch_of(b"1,2", b"3").records, too_large)),
        input_filter="$[1]",
    )
    assert {(failure.record, failure.status) for failure in found.failures} == {(2, 400), (3, 413)}
    assert b"".join(found.pieces) == b"4.0\n"


@pytest.mark.slow
def test_a_server_that_stumbles_is_asked_again_and_one_that_refuses_is_not(folder: Path) -> None:
    answers = iter([(503, "", b"wait"), (500, "", b"oh"), (200, "text/csv", b"fine")])
    assert sent(folder, lambda body: next(answers), batch_of(b"1"), retries=3).pieces == (b"fine\n",)
    asked: list[bytes] = []

    def refusing(body: bytes) -> tuple[int, str, bytes]:
        asked.append(body)
        return 422, "text/plain", b"no"

    found = sent(folder, refusing, batch_of(b"1"), retries=3)
    assert (len(asked), found.failures[0].status, found.failures[0].message) == (1, 422, "no")


def test_what_the_request_leaves_open_the_container_fills_and_then_the_defaults() -> None:
    open_ = order(strategy=None, max_payload_mb=None, max_concurrent=None)
    said = {"BatchStrategy": "SINGLE_RECORD", "MaxPayloadInMB": 2, "MaxConcurrentTransforms": 8}
    found = orders.completed(open_, said)
    assert (found.strategy, found.max_payload_mb, found.max_concurrent) == ("SingleRecord", 2, 8)
    found = orders.completed(open_, {})
    assert (found.strategy, found.max_payload_mb, found.max_concurrent) == ("MultiRecord", 6, 1)
    found = orders.completed(order(max_payload_mb=0, max_concurrent=3), said)
    assert (found.strategy, found.max_payload_mb, found.max_concurrent) == ("MultiRecord", 0, 3)
    assert found.limit_bytes >= 2**62
