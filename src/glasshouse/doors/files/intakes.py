"""Takes in a request's body: which way it is framed, and what must hold of it, as the headers say."""

from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass

from glasshouse.doors.files.body import MalformedTrailer, Unframed
from glasshouse.doors.files.requests import Request
from glasshouse.kernel import signatures
from glasshouse.kernel.objects import Expected, Intake, Stored, checksums, faults
from glasshouse.kernel.ports import Blob

_SUM = "x-amz-checksum-"
_BY_HEADER = {f"{_SUM}{name.lower()}": name for name in checksums.ALGORITHMS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`trailer` is the header that will follow the content, with the checksum that `expected` does not have yet."""

    algorithm: str
    expected: Expected
    trailer: str = ""
    is_framed: bool = False
    has_trailer: bool = False
    verifier: signatures.ChunkVerifier | None = None


class Document:
    """A blob writer that keeps a small body in memory."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self.content = b""

    def send(self, chunk: bytes) -> None:
        if len(self.content) + len(chunk) > self._most_bytes:
            raise faults.EntityTooLarge(str(self._most_bytes))
        self.content += chunk

    def commit(self) -> Blob:
        return Blob(digest=hashlib.sha256(self.content).hexdigest(), size_bytes=len(self.content))

    def abort(self) -> None:
        self.content = b""


def plan(request: Request, *, algorithm: str = "", is_summed: bool = True) -> Plan:
    """How to take in the body. `algorithm` computes its checksum when the client names none.

    is_summed: whether checksum headers tell of this body. Raises InvalidRequest when the headers contradict
    each other.
    """
    payload = request.payload
    found = _Checksum.told(request) if is_summed else _Checksum()
    expected = Expected(
        md5=request.header("content-md5"),
        sha256=payload.sha256 if isinstance(payload, signatures.Hashed) else "",
        checksum=found.value,
        size_bytes=_size(request.header("content-length")),
    )
    chosen = Plan(algorithm=found.algorithm or algorithm or checksums.DEFAULT, expected=expected)
    verifier = payload.verifier if isinstance(payload, signatures.Chunked) else None
    is_framed = verifier is not None or (isinstance(payload, signatures.Unsigned) and payload.chunked)
    if not is_framed:
        if found.trailer or "aws-chunked" in request.header("content-encoding").lower():
            raise faults.InvalidRequest(
                "An aws-chunked body needs an x-amz-content-sha256 that begins with STREAMING."
            )
        return chosen
    size = _size(request.header("x-amz-decoded-content-length"))
    if size is None:
        raise faults.MissingContentLength
    has_trailer = not isinstance(payload, signatures.Chunked) or payload.trailer
    if found.trailer and not has_trailer:
        raise faults.InvalidRequest("x-amz-trailer needs an x-amz-content-sha256 that ends with TRAILER.")
    return dataclasses.replace(
        chosen,
        expected=dataclasses.replace(expected, size_bytes=size),
        trailer=found.trailer,
        is_framed=True,
        has_trailer=has_trailer,
        verifier=verifier,
    )


class Taking:
    """A body on its way into an intake, as the plan says."""

    def __init__(self, plan: Plan, intake: Intake) -> None:
        self._plan = plan
        self._intake = intake
        self._frames = (
            Unframed(intake, plan.verifier, has_trailer=plan.has_trailer) if plan.is_framed else None
        )

    def feed(self, piece: bytes) -> None:
        """Raises a fault as soon as something is wrong."""
        if self._frames is not None:
            self._frames.feed(piece)
        else:
            self._intake.send(piece)

    def finish(self) -> Stored:
        """Makes the content durable. Raises a fault when it is not what was promised."""
        if self._frames is None:
            return self._intake.finish(self._plan.expected)
        trailers, wanted = self._frames.finish(), self._plan.trailer
        if set(trailers) != ({wanted} if wanted else set()):
            raise MalformedTrailer
        checksum = trailers.get(wanted, self._plan.expected.checksum)
        return self._intake.finish(dataclasses.replace(self._plan.expected, checksum=checksum))

    def abandon(self) -> None:
        self._intake.abort()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Checksum:
    """The checksum that the headers promise: its value now, or in a trailer."""

    algorithm: str = ""
    value: str = ""
    trailer: str = ""

    @classmethod
    def told(cls, request: Request) -> _Checksum:
        values = {name: request.header(name) for name in _BY_HEADER if request.header(name)}
        trailer = request.header("x-amz-trailer").strip().lower()
        if trailer and trailer not in _BY_HEADER:
            raise faults.InvalidRequest("The value specified in the x-amz-trailer header is not supported")
        if len(values) + bool(trailer) > 1:
            raise faults.InvalidRequest(
                "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
            )
        declared = request.header("x-amz-sdk-checksum-algorithm").upper()
        if declared and declared not in checksums.ALGORITHMS:
            raise faults.InvalidRequest(f"The checksum algorithm {declared} is not offered.")
        header = trailer or next(iter(values), "")
        algorithm = _BY_HEADER.get(header, declared)
        if declared not in ("", algorithm):
            raise faults.InvalidRequest("Value for x-amz-sdk-checksum-algorithm header is invalid.")
        return cls(algorithm=algorithm, value=values.get(header, ""), trailer=trailer)


def _size(header: str) -> int | None:
    if not header:
        return None
    if not header.isascii() or not header.isdigit():
        raise faults.InvalidArgument("A content length must be a number.")
    return int(header)
