"""The files door: takes a request from verifying its signature to its answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from glasshouse.doors.files import answers, handlers
from glasshouse.doors.files.answers import Answer
from glasshouse.doors.files.body import Body, ClientGone, Receive
from glasshouse.doors.files.calls import Call, Parts
from glasshouse.doors.files.exchange import Exchange, Send
from glasshouse.doors.files.requests import Request
from glasshouse.kernel import errors, ids, signatures
from glasshouse.kernel.access import Access
from glasshouse.kernel.audit import Audit
from glasshouse.kernel.objects import Objects, faults
from glasshouse.kernel.signatures import claims

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Result = TypeVar("Result")

N_THREADS = 32
PATIENCE_S = 15.0
"""After that long the answer of a slow operation begins, and is kept alive, before its outcome is known."""


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
        self._verifier = verify
        self._hosts = hosts
        self._patience_s = patience_s
        self._threads = ThreadPoolExecutor(max_workers=N_THREADS, thread_name_prefix="files")
        self._parts = Parts(
            objects=objects,
            handlers=handlers.all_of(objects, region, access),
            access=access,
            audit=audit,
        )

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
        request = await self._run(lambda: self._verified(head, exchange.request_id))
        patience_s = self._patience_s if request.may_be_slow else None
        call = Call(request, self._parts)
        try:
            has_body = not reader.is_consumed
            answer = await exchange.wait(self._run(lambda: call.begin(has_body=has_body)), patience_s)
            if answer is None:
                answer = await self._fed(call, reader)
            if answer is None:
                answer = await exchange.wait(self._run(call.finish), patience_s)
        finally:
            if not call.is_over:
                await asyncio.shield(self._run(call.abandon))
        await exchange.answer(answer or Answer(), self._threads)

    def _verified(self, head: signatures.Head, request_id: str) -> Request:
        if claims.signing_name(head) not in ("", "s3"):
            raise faults.AccessDenied
        verified = self._verifier.verify(head, family="s3")
        return Request.of(head, verified, self._hosts, request_id)

    async def _fed(self, call: Call, reader: Body) -> Answer | None:
        """Feeds the body to the call; the answer if the body is refused."""
        try:
            await reader.pump(call.feed, self._threads)
        except errors.WireError as problem:
            refused = problem
            return await self._run(lambda: call.refuse(refused))
        return None

    def _run(self, work: Callable[[], Result]) -> asyncio.Future[Result]:
        return asyncio.get_running_loop().run_in_executor(self._threads, work)


def _refusal(problem: errors.WireError, head: signatures.Head, request_id: str) -> Answer:
    return answers.error(problem, resource=head.path, request_id=request_id)


def _has_body(head: signatures.Head) -> bool:
    return head.header("content-length") not in (None, "0") or head.header("transfer-encoding") is not None
