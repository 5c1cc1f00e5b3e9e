"""Laws of what the files door reads and writes: frames, documents, tokens and tags."""

from __future__ import annotations

import contextlib
import itertools
import urllib.parse
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasshouse.doors.files import requests, xml
from glasshouse.doors.files.body import Unframed
from glasshouse.kernel import signatures
from glasshouse.kernel.objects import faults


class Gathered:
    def __init__(self) -> None:
        self.content = b""

    def send(self, chunk: bytes) -> None:
        self.content += chunk


@given(
    frames=st.lists(st.binary(min_size=1, max_size=30), max_size=6),
    cuts=st.lists(st.integers(0, 300), max_size=20),
)
def test_frames_say_the_same_however_the_network_cuts_them(frames: list[bytes], cuts: list[int]) -> None:
    body = b"".join(b"%X\r\n%s\r\n" % (len(frame), frame) for frame in frames) + b"0\r\nx-amz-a: b:c \r\n\r\n"
    gathered = Gathered()
    unframed = Unframed(gathered, None, has_trailer=True)
    edges = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    for start, stop in itertools.pairwise(edges):
        unframed.feed(body[start:stop])
    assert unframed.finish() == {"x-amz-a": "b:c"}
    assert gathered.content == b"".join(frames)


@given(body=st.binary(max_size=60))
def test_no_body_whatever_breaks_the_reader(body: bytes) -> None:
    unframed = Unframed(Gathered(), None, has_trailer=True)
    with contextlib.suppress(faults.Fault):
        unframed.feed(body)
        unframed.finish()


texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)


@given(pairs=st.lists(st.tuples(st.sampled_from("abc"), texts), max_size=5))
def test_a_document_reads_as_it_was_written(pairs: list[tuple[str, str]]) -> None:
    written = xml.document("Root", pairs)
    assert [(c.name, c.text) for c in xml.parse(written, root="Root").children] == pairs
    parsed = ElementTree.fromstring(written)
    assert [(c.tag.rpartition("}")[2], c.text or "") for c in parsed] == pairs


def test_a_document_with_declarations_is_refused() -> None:
    for content in (
        b"<!DOCTYPE a><a/>",
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
        b"<b/>",
        b"",
        b"<a>",
        b"<a/><a/>",
    ):
        with pytest.raises(faults.MalformedXml):
            xml.parse(content, root="a")


@given(marker=texts)
def test_a_token_stands_for_its_marker(marker: str) -> None:
    assert requests.marker_of(requests.token_of(marker)) == marker


@given(tags=st.dictionaries(texts, texts, max_size=5))
def test_tags_travel_in_a_header(tags: dict[str, str]) -> None:
    assert requests.tags_of(urllib.parse.urlencode(tags)) == tags


@pytest.mark.parametrize(
    ("host", "path", "expected"),
    [
        ("127.0.0.1:8400", "/bucket/a/b", ("bucket", "a/b")),
        ("localhost", "/bucket", ("bucket", "")),
        ("localhost:8400", "/bucket/", ("bucket", "")),
        ("bucket.localhost:8400", "/a/b", ("bucket", "a/b")),
        ("my.bucket.s3.localhost", "/", ("my.bucket", "")),
        ("s3.localhost:8400", "/bucket/k", ("bucket", "k")),
        ("localhost", "/bucket//a%2F%20+%C3%BC", ("bucket", "/a/ +ü")),
        ("localhost", "/", ("", "")),
    ],
)
def test_an_address_is_in_the_path_or_in_the_host_name(
    host: str, path: str, expected: tuple[str, str]
) -> None:
    head = signatures.Head.received("GET", path.encode(), b"", [(b"host", host.encode())])
    assert requests.address(head, ("s3.localhost", "localhost")) == expected
