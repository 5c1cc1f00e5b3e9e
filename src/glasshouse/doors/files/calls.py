"""One verified request from its permission to its audit entry. What is here blocks, and is run in threads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from glasshouse.doors.files import answers, intakes, operations
from glasshouse.doors.files.answers import Answer
from glasshouse.doors.files.handlers import Handler
from glasshouse.doors.files.intakes import Document, Taking
from glasshouse.doors.files.operations import Operation
from glasshouse.doors.files.requests import Request
from glasshouse.kernel import errors
from glasshouse.kernel.access import Access
from glasshouse.kernel.audit import Audit
from glasshouse.kernel.objects import Intake, Objects, faults

MOST_DOCUMENT_BYTES = 16 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What every call needs."""

    objects: Objects
    handlers: Mapping[str, Handler]
    access: Access
    audit: Audit


class Call:
    """First `begin`; if that does not answer yet, `feed` with the body's pieces and then `finish`."""

    def __init__(self, request: Request, parts: Parts) -> None:
        self._request = request
        self._parts = parts
        self._operation: Operation | None = None
        self._name = "Unknown"
        self._taking: Taking | None = None
        self._document: Document | None = None
        self.is_over = False

    def begin(self, *, has_body: bool) -> Answer | None:
        """The answer to a request without a body, or to one that is refused before its body is read."""
        return self._step(lambda: self._begin(has_body))

    def feed(self, piece: bytes) -> None:
        """Raises a fault when the body is not what it should be."""
        if self._taking is not None:
            self._taking.feed(piece)

    def finish(self) -> Answer:
        """The answer, once all of the body was fed."""
        return self._step(self._handled) or Answer()

    def refuse(self, problem: errors.WireError) -> Answer:
        """The answer to a request whose body was refused while it came."""
        self._end(answers.code(problem))
        return self._refusal(problem)

    def abandon(self) -> None:
        """Ends a call whose client went away. Nothing happens after the end."""
        if not self.is_over:
            self._end(faults.IncompleteBody.code)

    def _step(self, work: Callable[[], Answer | None]) -> Answer | None:
        try:
            answer = work()
        except errors.WireError as problem:
            return self.refuse(problem)
        except BaseException:
            self._end(errors.Internal.code)
            raise
        if answer is not None:
            self._end("ok")
        return answer

    def _begin(self, has_body: bool) -> Answer | None:
        request = self._request
        try:
            operation = self._operation = operations.find(
                request.method, request.level, request.params, request.headers
            )
        except operations.NotOffered as problem:
            self._name = problem.operation
            raise
        self._name = operation.name
        operations.check_carried(operation, request.params, request.headers)
        if request.header("x-amz-expected-bucket-owner") not in ("", request.caller.account):
            raise faults.AccessDenied
        self._parts.access.check(request.caller, operation.action, request.arn)
        self._taking = self._prepared(operation)
        return None if has_body else self._handled()

    def _prepared(self, operation: Operation) -> Taking:
        if operation.body == "content":
            algorithm = self._parts.handlers[operation.name].before(self._request)
            plan = intakes.plan(self._request, algorithm=algorithm)
            return Taking(plan, self._parts.objects.intake(algorithm=plan.algorithm))
        plan = intakes.plan(self._request, is_summed=operation.body != "statement")
        self._document = Document(MOST_DOCUMENT_BYTES)
        return Taking(plan, Intake(self._document, algorithm=plan.algorithm))

    def _handled(self) -> Answer:
        """What the operation's handler makes of the request and of the body that was taken in."""
        if self._operation is None or self._taking is None:
            raise RuntimeError("a call is begun before it is finished")
        handler, request = self._parts.handlers[self._operation.name], self._request
        stored = self._taking.finish()
        if self._operation.body == "content":
            return handler.on_content(request, stored)
        content = self._document.content if self._document else b""
        if self._operation.body != "none":
            return handler.on_document(request, content)
        if content:
            raise faults.InvalidRequest(f"{self._name} takes no body.")
        return handler.on_request(request)

    def _refusal(self, problem: errors.WireError) -> Answer:
        return answers.error(problem, resource=self._request.path, request_id=self._request.request_id)

    def _end(self, outcome: str) -> None:
        """Throws away what was taken in and not finished, and writes the audit entry."""
        if self.is_over:
            return
        self.is_over = True
        if self._taking is not None:
            self._taking.abandon()
        self._parts.audit.record(
            self._request.caller,
            service="s3",
            operation=self._name,
            resource=self._request.arn,
            outcome=outcome,
            request_id=self._request.request_id,
        )
