"""The files door: takes a request from verifying its signature to its answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from glasshouse.doors.files import answers, handlers, intakes, operations, requests
from glasshouse.doors.files.answers import Answer
from glasshouse.doors.files.body import Body, ClientGone, Receive
from glasshouse.doors.files.exchange import Exchange, Send
from glasshouse.doors.files.operations import Operation
from glasshouse.doors.files.requests import Request
from glasshouse.kernel import errors, ids, signatures
from glasshouse.kernel.access import Access
from glasshouse.kernel.audit import Audit
from glasshouse.kernel.objects import Intake, Objects, Stored, faults
from glasshouse.kernel.signatures import claims

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Result = TypeVar("Result")

N_THREADS = 32
MOST_DOCUMENT_BYTES = 16 << 20
PATIENCE_S = 15.0
"""After that long the answer of a slow operation begins, and is kept alive, before its outcome is known."""

_SLOW = frozenset({"CompleteMultipartUpload", "CopyObject", "UploadPartCopy"})


class FilesDoor:
    """An ASGI application that speaks S3. It verifies, permits and audits on its own.

    hosts: names in front of which a bucket may stand in the Host header, as in bucket.localhost.
    """

    def __init__(
        self,
        *,
        objects: Objects,
        verify: signatures.Verifier,
        access: Access,
        audit: Audit,
        region: str,
        hosts: Sequence[str] = ("s3.localhost", "localhost"),
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._objects = objects
        self._verifier = verify
        self._access = access
        self._audit = audit
        self._hosts = hosts
        self._patience_s = patience_s
        self._threads = ThreadPoolExecutor(max_workers=N_THREADS, thread_name_prefix="files")
        self._handlers = handlers.all_of(objects, region, self._permit)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        head = signatures.Head.of_asgi(scope)
        request_id = ids.token(8).upper()
        reader = Body(receive, has_body=_has_body(head))
        exchange = Exchange(head, reader, send, request_id=request_id)
        try:
            await self._serve(head, reader, exchange)
        except ClientGone:
            log.info("files.client_gone", extra={"request_id": request_id})
        except errors.WireError as problem:
            await exchange.answer(_refusal(problem, head, request_id))
        except Exception:
            log.exception("files.failed", extra={"request_id": request_id})
            await exchange.answer(_refusal(errors.Internal(request_id), head, request_id))

    async def _serve(self, head: signatures.Head, reader: Body, exchange: Exchange) -> None:
        if claims.signing_name(head) not in ("", "s3"):
            raise faults.AccessDenied
        verified = await self._run(lambda: self._verifier.verify(head, family="s3"))
        request = _request(head, verified, self._hosts, exchange.request_id)
        name, outcome = "Unknown", "InternalError"
        try:
            operation = _operation(request)
            name = operation.name
            work = asyncio.ensure_future(self._perform(operation, request, reader))
            answer = await exchange.wait(work, self._patience_s if name in _SLOW else None)
            outcome = "ok"
        except errors.WireError as problem:
            name = problem.operation if isinstance(problem, operations.NotOffered) else name
            outcome = answers.code(problem)
            answer = _refusal(problem, head, exchange.request_id)
        finally:
            await self._record(request, name, outcome)
        await exchange.answer(answer, self._threads)

    async def _perform(self, operation: Operation, request: Request, reader: Body) -> Answer:
        expected = request.header("x-amz-expected-bucket-owner")
        if expected not in ("", request.caller.account):
            raise faults.AccessDenied
        await self._run(lambda: self._permit(request, operation.action, request.arn))
        handler = self._handlers[operation.name]
        if operation.body == "content":
            algorithm = await self._run(lambda: handler.before(request))
            stored = await self._take_content(request, reader, algorithm)
            return await self._run(lambda: handler.on_content(request, stored))
        content = await self._take_document(request, reader, is_summed=operation.body != "statement")
        if operation.body != "none":
            return await self._run(lambda: handler.on_document(request, content))
        if content:
            raise faults.InvalidRequest(f"{operation.name} takes no body.")
        return await self._run(lambda: handler.on_request(request))

    async def _take_content(self, request: Request, reader: Body, algorithm: str) -> Stored:
        plan = intakes.plan(request, algorithm=algorithm)
        intake = await self._run(lambda: self._objects.intake(algorithm=plan.algorithm))
        try:
            finish = await intakes.take_in(plan, intake, reader, self._threads)
            return await self._run(finish)
        finally:
            await self._run(intake.abort)

    async def _take_document(self, request: Request, reader: Body, *, is_summed: bool) -> bytes:
        document = intakes.Document(MOST_DOCUMENT_BYTES)
        plan = intakes.plan(request, is_summed=is_summed)
        finish = await intakes.take_in(
            plan, Intake(document, algorithm=plan.algorithm), reader, self._threads
        )
        finish()
        return document.content

    async def _record(self, request: Request, operation: str, outcome: str) -> None:
        await self._run(
            lambda: self._audit.record(
                request.caller,
                service="s3",
                operation=operation,
                resource=request.arn,
                outcome=outcome,
                request_id=request.request_id,
            )
        )

    def _permit(self, request: Request, action: str, resource: str) -> None:
        self._access.check(request.caller, action, resource)

    async def _run(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)


def _request(
    head: signatures.Head, verified: signatures.Verified, hosts: Sequence[str], request_id: str
) -> Request:
    bucket, key = requests.address(head, hosts)
    params, carried = requests.parameters(head)
    return Request(
        method=head.method,
        bucket=bucket,
        key=key,
        params=params,
        headers=carried | requests.joined_headers(head),
        caller=verified.caller,
        payload=verified.payload,
        request_id=request_id,
    )


def _operation(request: Request) -> Operation:
    level: operations.Level = "object" if request.key else "bucket" if request.bucket else "service"
    operation = operations.find(request.method, level, request.params, request.headers)
    operations.check_carried(operation, request.params, request.headers)
    return operation


def _refusal(problem: errors.WireError, head: signatures.Head, request_id: str) -> Answer:
    return answers.error(problem, resource=head.path, request_id=request_id)


def _has_body(head: signatures.Head) -> bool:
    return head.header("content-length") not in (None, "0") or head.header("transfer-encoding") is not None
