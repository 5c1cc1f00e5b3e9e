"""Conditions, ranges, checksums and prefixes against what their rules say."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasshouse.kernel.catalog import Version, after_prefix
from glasshouse.kernel.objects import Conditions, checksums, conditions, faults, parse_range

VERSION = Version(bucket="b", key="k", version_id="null", created_at=1000.7, etag="abc", digest="0" * 64)


@given(first=st.integers(0, 30), last=st.integers(0, 40), size=st.integers(0, 25))
def test_a_range_is_what_python_cuts(first: int, last: int, size: int) -> None:
    content = bytes(range(size))
    wanted = content[first : last + 1]
    if last < first:
        assert parse_range(f"bytes={first}-{last}", size) is None
    elif not wanted:
        with pytest.raises(faults.InvalidRange):
            parse_range(f"bytes={first}-{last}", size)
    else:
        found = parse_range(f"bytes={first}-{last}", size)
        assert found is not None
        assert content[found.start : found.stop] == wanted


@given(length=st.integers(0, 30), size=st.integers(0, 25))
def test_a_suffix_is_the_end(length: int, size: int) -> None:
    content = bytes(range(size))
    if not length or not size:
        with pytest.raises(faults.InvalidRange):
            parse_range(f"bytes=-{length}", size)
    else:
        found = parse_range(f"bytes=-{length}", size)
        assert found is not None
        assert content[found.start : found.stop] == content[-length:]


def test_what_is_no_byte_range_is_ignored() -> None:
    for header in (
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bits=0-1",
        "bytes=1",
        "bytes=--1",
        "bytes=²-3",
    ):
        assert parse_range(header, 10) is None
    with pytest.raises(faults.NotImplementedHere):
        parse_range("bytes=0-1,3-4", 10)


def test_entity_tags_come_in_lists_quoted_weak_or_bare() -> None:
    for header in ('"abc"', "abc", 'W/"abc"', '"x", "abc"', "*"):
        conditions.check_read(Conditions(match=header), VERSION)
        with pytest.raises(faults.NotModified):
            conditions.check_read(Conditions(none_match=header), VERSION)
    for header in ('"abcd"', "ab", '"x", "y"'):
        conditions.check_read(Conditions(none_match=header), VERSION)
        with pytest.raises(faults.PreconditionFailed):
            conditions.check_read(Conditions(match=header), VERSION)


def test_dates_count_in_whole_seconds_and_after_entity_tags() -> None:
    conditions.check_read(Conditions(unmodified_since=1000.0), VERSION)
    conditions.check_read(Conditions(modified_since=999.0), VERSION)
    conditions.check_read(Conditions(match="abc", unmodified_since=1.0), VERSION)
    conditions.check_read(Conditions(none_match="x", modified_since=2000.0), VERSION)
    with pytest.raises(faults.NotModified):
        conditions.check_read(Conditions(modified_since=1000.0), VERSION)
    with pytest.raises(faults.PreconditionFailed):
        conditions.check_read(Conditions(unmodified_since=999.0), VERSION)
    with pytest.raises(faults.PreconditionFailed):
        conditions.check_source(Conditions(modified_since=1000.0), VERSION)


CHECK = {
    "CRC32": "cbf43926",
    "CRC32C": "e3069283",
    "CRC64NVME": "ae8b14860a799888",
    "SHA1": "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
    "SHA256": "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
}
"""Published check values: the checksum of 123456789."""


@pytest.mark.parametrize("algorithm", sorted(checksums.ALGORITHMS))
def test_checksums_have_their_published_values(algorithm: str) -> None:
    running = checksums.start(algorithm)
    for piece in (b"123", b"", b"456789"):
        running.update(piece)
    assert running.digest().hex() == CHECK[algorithm]
    value = base64.b64encode(running.digest()).decode()
    assert checksums.decoded(algorithm, value) == running.digest()
    for wrong in ("", "x", value[:-4], value + "AAAA"):
        with pytest.raises(faults.InvalidRequest):
            checksums.decoded(algorithm, wrong)


texts = st.text("a\x7f\ud7ff\ue000\uffff\U0010ffff\x00", max_size=5)


@given(prefix=texts, text=texts)
def test_what_follows_a_prefix_is_its_least_upper_bound(prefix: str, text: str) -> None:
    end = after_prefix(prefix)
    is_below = end is None or text.encode() < end.encode()
    assert text.startswith(prefix) == (text.encode() >= prefix.encode() and is_below)
