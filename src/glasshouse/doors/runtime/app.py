"""InvokeEndpoint: verify, permit, choose a server, pass the request on, answer as SageMaker does."""

from __future__ import annotations

import asyncio
import logging
import random
import re
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import orjson

from glasshouse.doors.runtime import recording, servers
from glasshouse.kernel import errors, ids, routes, signatures
from glasshouse.kernel.access import Access
from glasshouse.kernel.audit import Audit
from glasshouse.kernel.context import Ports
from glasshouse.kernel.identity import Caller
from glasshouse.kernel.records import Key

log = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

BODY_LIMIT_BYTES = 25 * 1024 * 1024
TIMEOUT_S = 60.0
ROUTES_FRESH_S = 0.2
TRIES = 4
PATH = re.compile(r"/endpoints/(?P<name>[^/]+)/(?P<what>[a-z-]+)")
OPERATIONS = {
    "invocations": "InvokeEndpoint",
    "async-invocations": "InvokeEndpointAsync",
    "invocations-response-stream": "InvokeEndpointWithResponseStream",
}
ENABLE_EXPLANATIONS = "x-amzn-sagemaker-enable-explanations"
PASSED_ON = (
    "content-type",
    "accept",
    "x-amzn-sagemaker-custom-attributes",
    "x-amzn-sagemaker-inference-id",
    ENABLE_EXPLANATIONS,
)
PASSED_BACK = (
    "content-type",
    "x-amzn-sagemaker-custom-attributes",
    "x-glasshouse-explanation-method",
    "x-glasshouse-explanation-model-calls",
)
FAULT = "x-glasshouse-fault"
"""An explainer's word that the request is at fault, not the model."""

REFUSED = (
    "x-amzn-sagemaker-target-model",
    "x-amzn-sagemaker-target-container-hostname",
    "x-amzn-sagemaker-inference-component",
    "x-amzn-sagemaker-session-id",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


class ModelError(errors.WireError):
    """The model server answered with an error of its own."""

    code = "ModelError"
    status = 424

    def __init__(self, *, original_status: int, original_message: str, log_arn: str) -> None:
        side = "client" if 400 <= original_status < 500 else "server"
        super().__init__(
            f'Received {side} error ({original_status}) from primary with message "{original_message}". '
            "See the endpoint's log for more."
        )
        self.original_status = original_status
        self.original_message = original_message
        self.log_arn = log_arn


class RuntimeDoor:
    """The ASGI application behind /endpoints/."""

    def __init__(
        self,
        *,
        ports: Ports,
        verifier: signatures.Verifier,
        access: Access,
        audit: Audit,
        recorder: recording.Recorder,
        seed: int | None = None,
    ) -> None:
        self._recorder = recorder
        self._ports = ports
        self._verifier = verifier
        self._access = access
        self._audit = audit
        self._servers = servers.Servers()
        self._chance = random.Random(seed)  # noqa: S311 - spreads load, hides nothing
        self._known: dict[Key, tuple[float, tuple[routes.Variant, ...]]] = {}

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        request_id = ids.request_id()
        try:
            answer = await self._answer(scope, receive, request_id)
        except errors.WireError as error:
            answer = _refusal(error)
        except Exception:
            log.exception("runtime.failed", extra={"request_id": request_id})
            answer = _refusal(errors.Internal(request_id))
        await _send(send, answer, request_id)

    async def close(self) -> None:
        """Closes the connections to model servers."""
        await self._servers.close()

    async def _answer(self, scope: Mapping[str, Any], receive: Receive, request_id: str) -> Answer:
        head = signatures.Head.of_asgi(dict(scope))
        found = PATH.fullmatch(head.path)
        if scope["method"] != "POST" or found is None or found["what"] not in OPERATIONS:
            raise errors.WireError(
                "There is no such operation.", code="UnknownOperationException", status=404
            )
        body = await _body(receive)
        caller = (await asyncio.to_thread(self._verifier.verify, head, body=body)).caller
        operation, name = OPERATIONS[found["what"]], unquote(found["name"])
        outcome = "InternalFailure"
        try:
            self._access.check(caller, f"sagemaker:{operation}", f"endpoint/{name}")
            answer = await self._invoke(operation, name, head, body, caller, request_id)
            outcome = "ok"
        except errors.WireError as error:
            outcome = error.code
            raise
        finally:
            await asyncio.to_thread(
                self._audit.record,
                caller,
                service="sagemaker-runtime",
                operation=operation,
                resource=name,
                outcome=outcome,
                request_id=request_id,
            )
        return answer

    async def _invoke(
        self,
        operation: str,
        name: str,
        head: signatures.Head,
        body: bytes,
        caller: Caller,
        request_id: str,
    ) -> Answer:
        if operation != "InvokeEndpoint":
            raise errors.NotOffered(operation)
        for header in REFUSED:
            if head.header(header):
                raise errors.Validation(
                    f"The header {header} is not supported by this server.", code="ValidationError"
                )
        key = Key(account=caller.account, region=caller.region, kind="Endpoint", name=name)
        target = head.header("x-amzn-sagemaker-target-variant") or ""
        variant, address, reply = await self._passed_on(key, target, head, body)
        if variant.explains and reply.status == 400 and reply.headers.get(FAULT):
            raise errors.Validation(reply.body.decode(errors="replace"), code="ValidationError")
        if not 200 <= reply.status < 300:
            raise ModelError(
                original_status=reply.status,
                original_message=reply.body.decode(errors="replace"),
                log_arn=_log_arn(variant, key),
            )
        headers = {"x-amzn-invoked-production-variant": variant.name}
        for kept in PASSED_BACK:
            value = reply.headers.get(kept)
            if value is not None:
                headers[kept] = value
        if not variant.records:
            return Answer(status=200, headers=headers, body=reply.body)
        asked = recording.Asked(
            key=key,
            variant=variant,
            caller=caller,
            request_id=request_id,
            inference_id=head.header("x-amzn-sagemaker-inference-id") or "",
        )
        recorded = await self._recorder.record(asked, reply, lambda: self._bundle(address))
        own = {"content-type": recorded.content_type, recording.IDS: recorded.ids}
        return Answer(status=200, headers={**headers, **own}, body=recorded.body)

    async def _bundle(self, address: str) -> bytes:
        return (await self._servers.get(address, recording.BUNDLE_PATH, timeout_s=TIMEOUT_S)).body

    async def _passed_on(
        self, key: Key, target: str, head: signatures.Head, body: bytes
    ) -> tuple[routes.Variant, str, servers.Reply]:
        """Sends the request to a server. One that is not there any more is left for another, with fresh routes."""
        passed = {name: value for name in PASSED_ON if (value := head.header(name)) is not None}
        tried: set[str] = set()
        for attempt in range(TRIES):
            variants = await self._routes(key, fresh=attempt > 0)
            variant = routes.choose_variant(variants, target=target, chance=self._chance)
            if ENABLE_EXPLANATIONS in passed and not variant.explains:
                raise errors.Validation(
                    f"EnableExplanations is not supported by endpoint {key.name}: its configuration has no "
                    "ExplainerConfig.",
                    code="ValidationError",
                )
            address = routes.choose_address(
                variant, tried=tried, outstanding=self._servers.outstanding, chance=self._chance
            )
            if address is None:
                break
            own = {recording.RECORD: self._recorder.day()} if variant.records else {}
            try:
                reply = await self._servers.post(
                    address, "/invocations", body, {**passed, **own}, timeout_s=TIMEOUT_S
                )
            except servers.Unreachable:
                tried.add(address)
                continue
            except servers.TooSlow as error:
                raise ModelError(
                    original_status=0,
                    original_message=f"Your invocation timed out after {TIMEOUT_S:g} s",
                    log_arn=_log_arn(variant, key),
                ) from error
            return variant, address, reply
        raise errors.WireError(
            "The model servers went away; try again.", code="ServiceUnavailable", status=503
        )

    async def _routes(self, key: Key, *, fresh: bool) -> tuple[routes.Variant, ...]:
        now = time.monotonic()
        known = self._known.get(key)
        if known is not None and not fresh and known[0] > now:
            return known[1]
        found = await asyncio.to_thread(self._read_routes, key)
        self._known[key] = (now + ROUTES_FRESH_S, found)
        return found

    def _read_routes(self, key: Key) -> tuple[routes.Variant, ...]:
        with self._ports.store.read() as view:
            record = view.find(key)
        if record is None:
            self._known.pop(key, None)
            raise errors.NotFound(
                f"Endpoint {key.name} of account {key.account} not found.", code="ValidationError"
            )
        found = routes.of(record)
        if not found:
            raise errors.Conflict(
                f"Endpoint {key.name} of account {key.account} is in status {record.status} and cannot answer.",
                code="ValidationError",
            )
        return found


def _log_arn(variant: routes.Variant, key: Key) -> str:
    return f"arn:aws:logs:{key.region}:{key.account}:log-group:{variant.log_group}"


def _refusal(error: errors.WireError) -> Answer:
    body: dict[str, Any] = {"Message": error.message}
    if isinstance(error, ModelError):
        body |= {
            "OriginalStatusCode": error.original_status,
            "OriginalMessage": error.original_message,
            "LogStreamArn": error.log_arn,
        }
    headers = {"content-type": "application/json", "x-amzn-errortype": error.code}
    if error.status == 503:
        headers["retry-after"] = "1"
    return Answer(status=error.status, headers=headers, body=orjson.dumps(body))


async def _body(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise errors.Validation("The client went away.", code="ValidationError")
        body += message.get("body", b"")
        if len(body) > BODY_LIMIT_BYTES:
            raise errors.WireError(
                f"The body is larger than {BODY_LIMIT_BYTES} bytes.", code="ValidationError", status=413
            )
        if not message.get("more_body", False):
            return bytes(body)


async def _send(send: Send, answer: Answer, request_id: str) -> None:
    headers = [(name.encode(), value.encode("latin-1", "replace")) for name, value in answer.headers.items()]
    headers += [
        (b"x-amzn-requestid", request_id.encode()),
        (b"content-length", str(len(answer.body)).encode()),
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
