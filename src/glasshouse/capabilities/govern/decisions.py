"""Decisions in the ledger: find them, add what turned out to be true, erase a person.

Operations of the service `glasshouse`, which AWS does not have. A caller sees the decisions of its account and region.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from glasshouse.kernel import errors, ids
from glasshouse.kernel.clock import as_datetime
from glasshouse.kernel.context import Context
from glasshouse.kernel.ledger import Draft, Entry, LedgerUnavailable, records, subjects
from glasshouse.kernel.operations import operation

SERVICE = "glasshouse"
NANO = 1_000_000_000
_DAY_S = 86_400
_PAGE = 100
Fields = Mapping[str, Any]


class NoSuchDecision(errors.NotFound):
    code = "ResourceNotFoundException"
    status = 404


class NotWritten(errors.WireError):
    code = "ServiceUnavailable"
    status = 503


@operation("ListDecisions", service=SERVICE)
def list_decisions(request: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """The decisions that fit every filter, the oldest first."""
    size, since = request.get("MaxResults", _PAGE), int(request.get("NextToken") or 1)
    slot = context.ports.ledger.slot_of(request["Subject"]) if "Subject" in request else None
    if "Subject" in request and slot is None:
        return {"Decisions": []}
    found = _decisions(context, since=since, only=lambda fields: _fits_open(fields, request, slot))
    page: list[dict[str, Any]] = []
    for entry in found:
        if not _fits(entry, request):
            continue
        if len(page) == size:
            return {"Decisions": page, "NextToken": str(entry.seq)}
        page.append(_summary(entry))
    return {"Decisions": page}


@operation("DescribeDecision", service=SERVICE)
def describe_decision(request: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Everything that made a decision, and what turned out to be true since."""
    entry = _found(request["DecisionId"], context)
    public = entry.public
    truths = [
        {"RecordedAt": _time(one), "Label": json.dumps(one.private["label"]), "By": one.public["by"]}
        for _, one in context.ports.ledger.entries(since=entry.seq, only=_about(entry.id))
        if one.private is not None
    ]
    document = {} if entry.private is None else {"Document": json.dumps(records.plain(entry.private))}
    return {
        **_summary(entry),
        "ModelDigest": public["model_digest"],
        "BundleDigest": public["bundle"],
        "EnvironmentDigest": public["environment"],
        "Caller": public["caller"],
        "GroundTruths": truths,
        **document,
    }


@operation("PutGroundTruth", service=SERVICE)
def put_ground_truth(request: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Records what turned out to be true, under the key of the decision's subject."""
    entry = _of_request(request, context, by=("DecisionId", "InferenceId"))
    try:
        label = json.loads(request["Label"])
    except ValueError as error:
        raise errors.Validation(f"Label is not JSON: {error}.") from error
    if entry.is_erased:
        raise errors.Conflict(f"The subject of decision {entry.id} was erased.")
    draft = Draft(
        kind="truth",
        id=ids.request_id(),
        at=_now(context),
        public={"decision": entry.id, "by": context.caller.arn},
        private={"label": label},
        slot=entry.slot,
    )
    try:
        (written,) = context.ports.ledger.record([draft]).result()
    except subjects.Erased as error:
        raise errors.Conflict(f"The subject of decision {entry.id} was erased.") from error
    except LedgerUnavailable as error:
        raise NotWritten(f"The ground truth could not be recorded: {error}.") from error
    return {"DecisionId": entry.id, "Seq": written.seq}


@operation("EraseSubject", service=SERVICE)
def erase_subject(request: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Destroys the key of a person, named by reference or by one of their decisions. It cannot be undone."""
    slot = _slot(request, context)
    try:
        written = context.ports.ledger.erase(slot, by=context.caller.arn, reason=request["Reason"])
    except subjects.Erased as error:
        raise errors.Conflict("This subject was erased before.") from error
    except (LedgerUnavailable, OSError) as error:
        raise NotWritten(f"The erasure could not be recorded: {error}.") from error
    return {"ErasureId": written.id, "Seq": written.seq}


@operation("ExpireDecisions", service=SERVICE)
def expire_decisions(request: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Erases everybody whose every decision was taken more than so many days ago. It cannot be undone."""
    before = _now(context) - request["OlderThanDays"] * _DAY_S * NANO
    book, account = context.ports.ledger, context.caller.account
    told = {"Before": as_datetime(before / NANO)}
    if request.get("DryRun", False):
        counts = book.expirable(before=before, account=account)
        return {**told, "Subjects": len(counts), "Decisions": sum(counts.values())}
    try:
        found = book.expire(before=before, account=account, by=context.caller.arn, reason=request["Reason"])
    except (LedgerUnavailable, OSError) as error:
        raise NotWritten(f"Not all that is older could be erased: {error}. Try again.") from error
    return {**told, "Subjects": found.n_subjects, "Decisions": found.n_decisions, "Seq": found.seq}


@operation("DescribeLedger", service=SERVICE)
def describe_ledger(_request: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Which ledger this is, and what it is verified by."""
    book = context.ports.ledger
    return {
        "LedgerId": book.id,
        "PublicKey": book.public_key,
        "AnchorFile": str(context.ports.settings.anchor_file(book.id)),
    }


def _decisions(
    context: Context, *, since: int = 1, only: Callable[[Fields], bool] = lambda _fields: True
) -> Iterator[Entry]:
    """Those of the caller's account and region."""
    caller = context.caller

    def mine(fields: Fields) -> bool:
        public = fields["public"]
        return (
            fields["kind"] == "decision"
            and (public["account"], public["region"]) == (caller.account, caller.region)
            and only(fields)
        )

    return (entry for _, entry in context.ports.ledger.entries(since=since, only=mine))


def _fits_open(fields: Fields, request: Mapping[str, Any], slot: int | None) -> bool:
    public, at = fields["public"], as_datetime(fields["at"] / NANO)
    after, before = request.get("CreationTimeAfter"), request.get("CreationTimeBefore")
    return (
        (slot is None or fields["slot"] == slot)
        and request.get("EndpointName", public["endpoint"]) == public["endpoint"]
        and request.get("ModelName", public["model"]) == public["model"]
        and (after is None or at > after)
        and (before is None or at < before)
    )


def _fits(entry: Entry, request: Mapping[str, Any]) -> bool:
    private = entry.private or {}
    return all(
        member not in request or private.get(name) == request[member]
        for member, name in (("Outcome", "outcome"), ("InferenceId", "inference_id"))
    )


def _about(decision_id: str) -> Callable[[Fields], bool]:
    return lambda fields: fields["kind"] == "truth" and fields["public"]["decision"] == decision_id


def _found(decision_id: str, context: Context) -> Entry:
    entry = next(_decisions(context, only=lambda fields: fields["id"] == decision_id), None)
    if entry is None:
        raise NoSuchDecision(f"There is no decision {decision_id}.")
    return entry


def _of_request(request: Mapping[str, Any], context: Context, *, by: tuple[str, str]) -> Entry:
    """The decision that exactly one of two members names."""
    given = [member for member in by if member in request]
    if len(given) != 1:
        raise errors.Validation(f"Give either {by[0]} or {by[1]}.")
    if given == ["DecisionId"]:
        return _found(request["DecisionId"], context)
    found = [entry for entry in _decisions(context) if _fits(entry, request)]
    if len(found) != 1:
        raise NoSuchDecision(f"{len(found)} decisions have the InferenceId {request['InferenceId']}.")
    return found[0]


def _slot(request: Mapping[str, Any], context: Context) -> int:
    if "DecisionId" in request or "Subject" not in request:
        return _of_request(request, context, by=("DecisionId", "Subject")).slot
    slot = context.ports.ledger.slot_of(request["Subject"])
    if slot is None:
        raise NoSuchDecision("No decision that can be read is about this subject.")
    return slot


def _summary(entry: Entry) -> dict[str, Any]:
    public, private = entry.public, entry.private or {}
    return {
        "DecisionId": entry.id,
        "Seq": entry.seq,
        "CreationTime": _time(entry),
        "EndpointName": public["endpoint"],
        "VariantName": public["variant"],
        "ModelName": public["model"],
        "Outcome": private.get("outcome") or None,
        "InferenceId": private.get("inference_id") or None,
        "Subject": private.get("subject") or None,
        "IsErased": entry.is_erased,
    }


def _time(entry: Entry) -> Any:
    return as_datetime(entry.at / NANO)


def _now(context: Context) -> int:
    return round(context.ports.clock.now() * NANO)
