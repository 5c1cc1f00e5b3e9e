"""A model server is not believed: an answer whose decisions are not as they should be is not given."""

from __future__ import annotations

import asyncio
import hashlib
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from glasshouse.doors.runtime import recording, servers
from glasshouse.kernel import errors, identity, ids, ledger, records, routes
from glasshouse.kernel.clock import SystemClock
from tests.ledger import books

BUNDLE = b"what decided"
DIGEST = hashlib.sha256(BUNDLE).hexdigest()
DECISION: dict[str, Any] = {"subject": "Ada", "input": "1,2", "prediction": 0.5}
HEAD: dict[str, Any] = {"content_type": "text/csv", "bundle": DIGEST, "decisions": [DECISION]}


@pytest.fixture
def book(tmp_path: Path) -> Iterator[ledger.Ledger]:
    with books.opened(tmp_path) as opened:
        yield opened


def framed(head: object, body: bytes = b"0.5\n", *, size: int | None = None) -> bytes:
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    return struct.pack(">I", len(text) if size is None else size) + text + body


def recorded(book: ledger.Ledger, frame: bytes, *, bundle: bytes = BUNDLE) -> recording.Recorded:
    asked = recording.Asked(
        key=records.Key(account="000000000000", region="us-east-1", kind="Endpoint", name="credit"),
        variant=routes.Variant(
            name="one", weight=1, strategy="RANDOM", log_group="g", addresses=("unix:x",), records=True
        ),
        caller=identity.Caller(
            account="000000000000",
            region="us-east-1",
            arn=ids.Arn("arn:aws:iam::000000000000:root"),
            user_id="root",
        ),
        request_id="request",
        inference_id="",
    )

    async def fetched() -> bytes:
        return bundle

    reply = servers.Reply(status=200, headers={"content-type": recording.FRAMED}, body=frame)
    return asyncio.run(recording.Recorder(book, SystemClock()).record(asked, reply, fetched))


def test_what_is_well_is_recorded_and_answered(book: ledger.Ledger) -> None:
    odd = {
        **DECISION,
        "prediction": float("nan"),
        "input": "\udcff",
        "$x": [float("inf"), -0.0],
        "inference_id": 7,
    }
    answer = recorded(book, framed({**HEAD, "decisions": [DECISION, odd]}))
    assert (answer.body, answer.content_type, answer.ids) == (b"0.5\n", "text/csv", "request.0,request.1")
    assert [entry.id for _, entry in book.entries()] == ["request.0", "request.1"]


LIES = {
    "no decisions": framed({**HEAD, "decisions": []}),
    "decisions that are no list": framed({**HEAD, "decisions": {"subject": "Ada"}}),
    "a decision that is none": framed({**HEAD, "decisions": ["subject"]}),
    "a subject that is no text": framed({**HEAD, "decisions": [{"subject": 5}]}),
    "a decision about nobody": framed({**HEAD, "decisions": [{}]}),
    "a bundle that is a path": framed({**HEAD, "bundle": "../keys/master.key"}),
    "a bundle that is no text": framed({**HEAD, "bundle": None}),
    "another bundle": framed({**HEAD, "bundle": "00" * 32}),
    "a header more": framed({**HEAD, "content_type": "text/csv\r\nset-cookie: a=b"}),
    "no type": framed({**HEAD, "content_type": 1}),
    "a length beyond the end": framed(HEAD, b"", size=1 << 31),
    "a length that is short": framed(HEAD, size=10),
    "nothing": b"",
    "no object": framed([]),
    "no JSON": framed(b"\xff"),
    "deep JSON": framed(b"[" * 100_000),
    "a number without end": framed(b'{"decisions": [{"subject": "", "x": ' + b"1" * 5000 + b"}]}"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_neither_answered_nor_recorded(book: ledger.Ledger, lie: str) -> None:
    with pytest.raises(recording.NotRecorded) as refused:
        recorded(book, LIES[lie])
    assert "Ada" not in refused.value.message
    assert list(book.entries()) == []


def test_what_is_too_large_for_a_record_is_the_requests_fault(book: ledger.Ledger) -> None:
    with pytest.raises(errors.WireError, match="does not take") as refused:
        recorded(book, framed({**HEAD, "decisions": [{**DECISION, "input": "x" * (48 << 20)}]}))
    assert refused.value.status == 413
