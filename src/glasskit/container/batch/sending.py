"""One batch: filter, send, try again, take apart when it fails, join and filter what comes back."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from glasskit.container.batch import formats, paths
from glasskit.container.batch.client import Client, Reply
from glasskit.container.batch.orders import Orders
from glasskit.container.batch.records import Batch, Record

LONGEST_MESSAGE = 500
LONGEST_PAUSE_S = 2.0
Ready = tuple[Record, bytes]
"""A record and what is sent of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A record that could not be transformed. `status` is the server's, 0 when it gave none, 400 for our own refusal."""

    record: int
    status: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What a batch gave: pieces of output in the order of the records, and the records that failed."""

    pieces: tuple[bytes, ...] = ()
    failures: tuple[Failure, ...] = ()


class Sender:
    """Sends batches as the orders say. Safe to share between threads."""

    def __init__(self, orders: Orders, client: Client) -> None:
        self._orders = orders
        self._client = client
        self._input = paths.parse(orders.input_filter)
        self._output = paths.parse(orders.output_filter)
        self._form = formats.format_of(orders.content_type)
        names = {"Content-Type": orders.content_type, "Accept": orders.accept}
        self._headers = {name: value for name, value in names.items() if value}

    @property
    def _by_record(self) -> bool:
        """Whether each record's own output must be told apart."""
        return self._orders.join != "None" or not self._output.whole

    def send(self, batch: Batch) -> Sent:
        """All records of the batch; a batch that is refused is halved until the record at fault stands alone."""
        ready, failures = self._filtered(batch.records)
        sent = self._together_or_apart(ready, self._orders.retries) if ready else Sent()
        return _together([Sent(failures=failures), sent])

    def _together_or_apart(self, ready: Sequence[Ready], retries: int) -> Sent:
        reply = self._posted([body for _, body in ready], retries)
        if 200 <= reply.status < 300:
            answers = self._answers(reply, len(ready))
            if answers is not None:
                return self._finished([record for record, _ in ready], reply, answers)
            trouble = f"the server answered another number of lines than {len(ready)}"
        else:
            trouble = reply.body.decode(errors="replace")
        if len(ready) == 1 or reply.status == 0:
            return Sent(failures=tuple(_failure(record, reply.status, trouble) for record, _ in ready))
        half = len(ready) // 2
        return _together([self._together_or_apart(part, 0) for part in (ready[:half], ready[half:])])

    def _filtered(self, records: Sequence[Record]) -> tuple[list[Ready], tuple[Failure, ...]]:
        ready: list[Ready] = []
        failures: list[Failure] = []
        for record in records:
            if record.size_bytes > self._orders.limit_bytes:
                text = f"the record has {record.size_bytes} bytes, more than MaxPayloadInMB allows"
                failures.append(_failure(record, 413, text))
                continue
            try:
                ready.append((record, self._kept(record.body)))
            except ValueError as error:
                failures.append(_failure(record, 400, str(error)))
        return ready, tuple(failures)

    def _kept(self, body: bytes) -> bytes:
        """What the input filter leaves of a record."""
        if self._input.whole:
            return body
        return formats.written(self._input.apply(formats.parse(body, self._form)), self._form)

    def _posted(self, bodies: Sequence[bytes], retries: int) -> Reply:
        body = b"".join(bodies) if self._orders.split == "RecordIO" else b"\n".join(bodies)
        reply = self._client.post(body, self._headers)
        for attempt in range(retries):
            if reply.status != 0 and reply.status < 500:
                break
            time.sleep(min(LONGEST_PAUSE_S, 0.05 * 2**attempt))
            reply = self._client.post(body, self._headers)
        return reply

    def _answers(self, reply: Reply, n_records: int) -> list[bytes] | None:
        """One answer for each record where they must be told apart, else all in one; None when they do not fit."""
        if not self._by_record:
            return [reply.body]
        body = reply.body.removesuffix(b"\n")
        if n_records == 1:
            return [body]
        lines = body.split(b"\n")
        return lines if len(lines) == n_records else None

    def _finished(self, records: Sequence[Record], reply: Reply, answers: Sequence[bytes]) -> Sent:
        if not self._by_record:
            return Sent(pieces=tuple(self._assembled(answer) for answer in answers))
        form = formats.format_of(reply.content_type)
        if form == "other":
            form = self._form
        return _together([self._joined(r, answer, form) for r, answer in zip(records, answers, strict=True)])

    def _joined(self, record: Record, answer: bytes, form: formats.Format) -> Sent:
        if self._orders.join == "Input" and self._form == form == "csv" and self._output.whole:
            return Sent(pieces=(self._assembled(record.body + b"," + answer.rstrip(b"\r")),))
        try:
            value = formats.parse(answer, form)
            if self._orders.join == "Input":
                given = formats.parse(record.body, self._form)
                form = self._form if self._form == form else "json"
                value = formats.joined(given, value, form)
            return Sent(pieces=(self._assembled(formats.written(self._output.apply(value), form)),))
        except ValueError as error:
            return Sent(failures=(_failure(record, 400, str(error)),))

    def _assembled(self, piece: bytes) -> bytes:
        if self._orders.assemble == "Line" and not piece.endswith(b"\n"):
            return piece + b"\n"
        return piece


def _together(parts: Sequence[Sent]) -> Sent:
    return Sent(
        pieces=tuple(piece for part in parts for piece in part.pieces),
        failures=tuple(failure for part in parts for failure in part.failures),
    )


def _failure(record: Record, status: int, message: str) -> Failure:
    return Failure(record=record.number, status=status, message=message[:LONGEST_MESSAGE])
