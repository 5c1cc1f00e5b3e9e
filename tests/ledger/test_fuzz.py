"""The verifier on ledgers that somebody worked on: it always gives a report, and WHOLE only for what was anchored."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from glassproof import __main__ as program
from glassproof import anchors, canonical, hashes, ledgers, segments
from tests.ledger import books

ODD: list[Any] = [
    None, True, 0, -1, 1, 1.0, 8.0, 2**70, 1e308, float("inf"), float("nan"),
    "", "x", "ab" * 32, "AB" * 32, "0 " * 32, "\ud800", "WHOLE\nWHOLE", b"x", [], [[]], {}, {"a": 1},
]  # fmt: skip
RAW = [b"[]", b"1", b"null", b'"a"', b"{}", b"[" * 50_000, b'{"$f64":""}', b"1" * 5000, b"\xff", b"{"]
NAMES = ["x.segment", "0.segment", "0000000000000002.segment", "0000000000000099.segment", ".segment"]


class Book:
    """Three segments, taken apart, and put together again with other parts."""

    def __init__(self, folder: Path) -> None:
        for start in range(3):
            with books.opened(folder) as ledger:
                for i in range(3):
                    ledger.record([books.draft(start * 10 + i, subject=f"person {i}")]).result()
        self.known = books.anchored(folder)
        self.folder = folder / "ledger" / "segments"
        self.files = {path.name: path.read_bytes() for path in segments.files(self.folder)}

    def put(self, files: Mapping[str, bytes]) -> None:
        for path in self.folder.iterdir():
            path.unlink()
        for name, content in files.items():
            (self.folder / name).write_bytes(content)


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Book:
    return Book(tmp_path_factory.mktemp("book"))


@st.composite
def altered_fields(draw: st.DrawFn, fields: Mapping[str, Any]) -> Any:
    changed, name = dict(fields), draw(st.sampled_from(sorted(fields)))
    how = draw(st.sampled_from(["drop", "replace", "replace", "add", "all"]))
    if how == "all":
        return draw(st.sampled_from(ODD))
    if how == "drop":
        del changed[name]
    else:
        changed[name if how == "replace" else "more"] = draw(st.sampled_from(ODD))
    return changed


@st.composite
def altered_segment(draw: st.DrawFn, data: bytes) -> bytes:
    """Other header fields, other records, chained as they should be; or a changed byte."""
    header = segments.read_header(data)
    fields: Any = dict(header.fields)
    bodies = [f.body for f in segments.frames(data, header.size_bytes) if isinstance(f, segments.Frame)]
    how = draw(st.sampled_from(["header", "record", "raw", "drop", "double", "byte", "cut"]))
    at = draw(st.integers(0, len(bodies) - 1))
    if how == "header":
        fields = draw(altered_fields(fields))
    elif how == "record":
        bodies[at] = canonical.encode(draw(altered_fields(canonical.decode(bodies[at]))))
    elif how == "raw":
        bodies[at] = draw(st.sampled_from(RAW))
    elif how == "drop":
        del bodies[at]
    elif how == "double":
        bodies.insert(at, bodies[at])
    whole = joined(fields, bodies)
    offset = draw(st.integers(0, len(whole) - 1))
    if how == "byte":
        return whole[:offset] + bytes([whole[offset] ^ draw(st.integers(1, 255))]) + whole[offset + 1 :]
    return whole[:offset] if how == "cut" else whole


def joined(fields: Any, bodies: list[bytes]) -> bytes:
    head = segments.header(fields)
    try:
        previous = bytes.fromhex(fields["previous"])
    except (ValueError, TypeError, KeyError):
        previous = hashes.NOTHING
    parts, chain = [head], hashes.start(previous, head[len(segments.MAGIC) + 4 :])
    for body in bodies:
        frame, chain = segments.frame(body, chain)
        parts.append(frame)
    return b"".join(parts)


@pytest.mark.slow
@settings(max_examples=250, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_whatever_is_done_there_is_a_report_and_what_was_anchored_is_missed(
    book: Book, data: st.DataObject
) -> None:
    files = dict(book.files)
    for name in data.draw(st.lists(st.sampled_from(sorted(files)), min_size=1, max_size=2, unique=True)):
        files[name] = data.draw(altered_segment(files[name]))
    if data.draw(st.integers(0, 9)) == 0:
        files[data.draw(st.sampled_from(NAMES))] = data.draw(st.sampled_from([b"", *files.values()]))
    book.put(files)
    for known in (book.known, ()):
        report = ledgers.verify(book.folder, known)
        assert program.told(report).encode().count(b"\nWHOLE") == 0
        # Bytes behind the last record of a segment are not the ledger's: they are told as torn by a crash.
        if known and any(not files[name].startswith(content) for name, content in book.files.items()):
            assert not report.is_whole
        assert all(frame.body for _, frame in ledgers.walk(book.folder))
        assert isinstance(ledgers.id_of(book.folder), str)


@settings(max_examples=150)
@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_a_segment_or_none(book: Book, content: bytes, is_begun: bool) -> None:
    name, first = min(book.files.items())
    book.put({name: (first[: segments.read_header(first).size_bytes] if is_begun else b"") + content})
    assert not ledgers.verify(book.folder, book.known).is_whole
    ledgers.verify(book.folder)


@pytest.mark.slow
@settings(max_examples=150)
@given(st.data())
def test_anchors_that_were_changed_are_refused_or_do_not_hold(book: Book, data: st.DataObject) -> None:
    book.put(book.files)
    path = book.folder.parent / "changed.anchors"
    fields = json.loads(book.known[-1].line())
    altered = data.draw(altered_fields(fields))
    path.write_text(json.dumps(altered, default=repr) + "\n")
    try:
        known = anchors.read(path)
    except anchors.BadAnchor:
        return
    if any(getattr(known[0], name) != fields[name] for name in ("ledger", "key", "seq", "chain")):
        assert not ledgers.verify(book.folder, known).is_whole


def test_a_line_of_anchors_that_a_crash_cut_off_is_left_out_wherever_it_stands(
    book: Book, tmp_path: Path
) -> None:
    first, last = book.known[0].line(), book.known[-1].line()
    for size in range(1, len(first) - 1):
        path = tmp_path / f"{size}.anchors"
        path.write_bytes(first[:size] + b"\n" + last)
        assert anchors.read(path) == [book.known[-1]]
    path.write_bytes(first + last[:-1])
    assert anchors.read(path) == [book.known[0], book.known[-1]], "without its last line end it is whole"


@pytest.mark.parametrize(
    "line", [b'{"seq":Infinity}', b"[" * 100_000 + b"}", b"[]", b"1", b'{"at":1}', b"\xff"]
)
def test_what_is_no_anchor_is_refused(line: bytes, tmp_path: Path) -> None:
    (tmp_path / "anchors").write_bytes(line + b"\n")
    with pytest.raises(anchors.BadAnchor):
        anchors.read(tmp_path / "anchors")


def test_files_that_no_ledger_writes_are_named_and_never_read(book: Book, tmp_path: Path) -> None:
    def link(name: str) -> None:
        (book.folder / name).symlink_to(tmp_path / "elsewhere")

    def sparse(name: str) -> None:
        with (book.folder / name).open("wb") as file:
            file.truncate(1 << 42)

    (tmp_path / "elsewhere").write_bytes(book.files[max(book.files)])
    for make in (link, sparse, lambda name: os.mkfifo(book.folder / name)):
        for name in (max(book.files), "0.segment"):
            book.put({key: value for key, value in book.files.items() if key != name})
            make(name)
            report = ledgers.verify(book.folder, book.known)
            assert [finding.file for finding in report.findings] == [name]
            assert ledgers.id_of(book.folder) == book.known[0].ledger
            assert len(list(ledgers.walk(book.folder))) == (8 if name == max(book.files) else 12)
            (book.folder / name).unlink()
    book.put({**book.files, os.fsdecode(b"\xff.segment"): b""})
    assert not (report := ledgers.verify(book.folder, book.known)).is_whole
    assert program.told(report).isascii()
