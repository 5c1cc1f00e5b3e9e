"""Decisions go into the ledger before they are answered; what cannot be recorded is not answered.

A model server that decides answers in a frame (see `glasskit.container.deciding`): the decisions, and the answer's body.
"""

from __future__ import annotations

import array
import asyncio
import json
import re
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from glasshouse.doors.runtime import servers
from glasshouse.kernel import clock as clocks
from glasshouse.kernel import errors, ledger, routes
from glasshouse.kernel.identity import Caller
from glasshouse.kernel.records import Key

RECORD = "x-glasshouse-record"
IDS = "x-glasshouse-decision-id"
FRAMED = "application/x-glasshouse-decisions"
BUNDLE_PATH = "/glasshouse/bundle"
MOST_IDS = 20
"""More decisions than these are told by the first and the last id."""

_DIGEST = re.compile(r"([0-9a-f]{64})?")
_LENGTH = struct.Struct(">I")
NANO = 1_000_000_000


class NotRecorded(errors.WireError):
    """The decision could not be recorded, so it is not answered."""

    code = "ServiceUnavailable"
    status = 503


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """An invocation, as far as a record tells of it."""

    key: Key
    variant: routes.Variant
    caller: Caller
    request_id: str
    inference_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What is answered, once it is recorded."""

    body: bytes
    content_type: str
    ids: str


class Recorder:
    """Writes what model servers decide into the ledger."""

    def __init__(self, book: ledger.Ledger, clock: clocks.Clock) -> None:
        self._book = book
        self._clock = clock

    def day(self) -> str:
        """The value of the header RECORD: the day of the decision, UTC."""
        return clocks.as_datetime(self._clock.now()).date().isoformat()

    async def record(
        self, asked: Asked, reply: servers.Reply, bundle: Callable[[], Awaitable[bytes]]
    ) -> Recorded:
        """The answer, once every decision in it is durable. bundle: fetches what decided, if it is not kept yet.

        Raises NotRecorded.
        """
        if reply.headers.get("content-type") != FRAMED:
            raise NotRecorded("The model server answered without a decision to record.")
        head, body = _unframed(reply.body)
        await self._keep(head["bundle"], bundle)
        ids = _ids(asked.request_id, len(head["decisions"]))
        drafts = [
            self._draft(asked, decision, one, head["bundle"])
            for decision, one in zip(head["decisions"], ids, strict=True)
        ]
        try:
            await asyncio.wrap_future(self._book.record(drafts))
        except ledger.TooLarge as error:
            raise errors.WireError(
                f"Nothing is answered unrecorded: {error}.", code="ValidationError", status=413
            ) from error
        except ledger.LedgerUnavailable as error:
            raise NotRecorded(f"Nothing is answered unrecorded: {error}.") from error
        told = ",".join(ids) if len(ids) <= MOST_IDS else f"{ids[0]}..{ids[-1]}"
        return Recorded(body=body, content_type=head["content_type"], ids=told)

    async def _keep(self, digest: str, bundle: Callable[[], Awaitable[bytes]]) -> None:
        """What decides is kept with the ledger, so that a decision can be taken again when all else is gone."""
        if not digest or self._book.has_bundle(digest):
            return
        try:
            await asyncio.to_thread(self._book.keep_bundle, digest, await bundle())
        except (ledger.LedgerUnavailable, servers.Unreachable, servers.TooSlow) as error:
            raise NotRecorded(f"Nothing is answered unrecorded: {error}.") from error

    def _draft(
        self, asked: Asked, decision: Mapping[str, Any], decision_id: str, bundle: str
    ) -> ledger.Draft:
        private = {name: value for name, value in decision.items() if name != "subject"}
        return ledger.Draft(
            kind="decision",
            id=decision_id,
            at=round(self._clock.now() * NANO),
            public={
                "account": asked.key.account,
                "region": asked.key.region,
                "endpoint": asked.key.name,
                "variant": asked.variant.name,
                "model": asked.variant.model,
                "model_digest": asked.variant.model_digest,
                "environment": asked.variant.environment,
                "bundle": bundle,
                "served": asked.variant.served,
                "caller": asked.caller.arn,
                "request": asked.request_id,
            },
            private={
                **{name: _packed(value) for name, value in private.items()},
                "subject": decision["subject"],
                "inference_id": asked.inference_id,
            },
            subject=decision["subject"],
        )


def _unframed(framed: bytes) -> tuple[dict[str, Any], bytes]:
    """The decisions and the answer's body. A model server is not believed: what is not as it should be is not answered."""
    try:
        (size,) = _LENGTH.unpack_from(framed)
        end = _LENGTH.size + size
        head: dict[str, Any] = json.loads(framed[_LENGTH.size : end])
        well = end <= len(framed) and _is_well(head)
    except (struct.error, ValueError, KeyError, TypeError, RecursionError) as error:
        raise NotRecorded("The model server answered with a decision that cannot be read.") from error
    if not well:
        raise NotRecorded("The model server answered with a decision that cannot be read.")
    return head, framed[end:]


def _is_well(head: dict[str, Any]) -> bool:
    """Whether it has at least one decision, a digest or none, and a type of content that is one line."""
    decided, content_type = head["decisions"], head["content_type"]
    return (
        isinstance(decided, list)
        and bool(decided)
        and all(isinstance(one, dict) and isinstance(one["subject"], str) for one in decided)
        and _DIGEST.fullmatch(head["bundle"]) is not None
        and isinstance(content_type, str)
        and content_type.isascii()
        and content_type.isprintable()
    )


def _ids(request_id: str, count: int) -> list[str]:
    """The request's own id for one decision, numbered ones for several."""
    return [request_id] if count == 1 else [f"{request_id}.{index}" for index in range(count)]


def _packed(value: Any) -> Any:
    """Lists of floats as arrays, which keep every bit in little space."""
    if isinstance(value, dict):
        return {name: _packed(inner) for name, inner in value.items()}
    if isinstance(value, list) and value and all(type(inner) is float for inner in value):
        return array.array("d", value)
    return value
