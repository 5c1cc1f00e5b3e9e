"""One batch: filter, send, try again, take apart when it fails, join and filter what comes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from glasskit.container.batch import formats, paths
from glasskit.container.batch.client import Client, Reply
from glasskit.container.batch.orders import Orders
from glasskit.container.batch.records import Batch, Record

LONGEST_MESSAGE = 500


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
        """All records of the batch; those that cannot be sent together are sent one by one."""
        ready, failures = self._filtered(batch.records)
        if not ready:
            return Sent(failures=failures)
        reply = self._posted([body for _, body in ready], self._orders.retries)
        if not 200 <= reply.status < 300:
            if len(ready) > 1:
                return _together([Sent(failures=failures), *(self._alone(one, body) for one, body in ready)])
            failed = _failure(ready[0][0], reply.status, reply.body.decode(errors="replace"))
            return Sent(failures=(*failures, failed))
        finished = self._finished([record for record, _ in ready], reply)
        return _together([Sent(failures=failures), finished])

    def _alone(self, record: Record, body: bytes) -> Sent:
        reply = self._posted([body], 0)
        if not 200 <= reply.status < 300:
            return Sent(failures=(_failure(record, reply.status, reply.body.decode(errors="replace")),))
        return self._finished([record], reply)

    def _filtered(self, records: Sequence[Record]) -> tuple[list[tuple[Record, bytes]], tuple[Failure, ...]]:
        ready: list[tuple[Record, bytes]] = []
        failures: list[Failure] = []
        for record in records:
            if len(record.body) > self._orders.limit_bytes:
                text = f"the record has {len(record.body)} bytes, more than MaxPayloadInMB allows"
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
        while retries > 0 and (reply.status == 0 or reply.status >= 500):
            retries -= 1
            reply = self._client.post(body, self._headers)
        return reply

    def _finished(self, records: Sequence[Record], reply: Reply) -> Sent:
        if not self._by_record:
            return Sent(pieces=(self._assembled(reply.body),))
        answers = reply.body.rstrip(b"\n").split(b"\n") if len(records) > 1 else [reply.body.rstrip(b"\n")]
        if len(answers) != len(records):
            text = f"the server answered {len(answers)} lines for {len(records)} records"
            return Sent(failures=tuple(_failure(record, 400, text) for record in records))
        form = formats.format_of(reply.content_type)
        if form == "other":
            form = self._form
        sent = [self._joined(record, answer, form) for record, answer in zip(records, answers, strict=True)]
        return _together(sent)

    def _joined(self, record: Record, answer: bytes, form: formats.Format) -> Sent:
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
