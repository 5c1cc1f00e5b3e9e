"""CloudWatch Logs: groups, streams and events, over the log files of the kernel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from glasshouse.kernel import logs
from glasshouse.kernel.context import Context
from glasshouse.kernel.operations import operation
from glasshouse.kernel.unsupported import Unsupported, refuse

Request = Mapping[str, Any]
Answer = dict[str, Any]

OTHERS = (
    Unsupported(path="logGroupIdentifier"),
    Unsupported(path="logGroupIdentifiers", accepts=([],)),
    Unsupported(path="accountIdentifiers", accepts=([],)),
    Unsupported(path="includeLinkedAccounts", accepts=(False,)),
    Unsupported(path="unmask", accepts=(False,)),
    Unsupported(path="logGroupClass", accepts=("STANDARD",)),
    Unsupported(path="kmsKeyId"),
    Unsupported(path="logGroupNamePattern"),
    Unsupported(path="deletionProtectionEnabled", accepts=(False,)),
)


@operation("CreateLogGroup", service="logs")
def create_log_group(request: Request, context: Context) -> Answer:
    """A new, empty group."""
    refuse(request, (*OTHERS, Unsupported(path="tags", accepts=({},))))
    context.logs.create_group(request["logGroupName"])
    return {}


@operation("CreateLogStream", service="logs")
def create_log_stream(request: Request, context: Context) -> Answer:
    """A new, empty stream."""
    context.logs.create_stream(request["logGroupName"], request["logStreamName"])
    return {}


@operation("DeleteLogGroup", service="logs")
def delete_log_group(request: Request, context: Context) -> Answer:
    """Removes a group with all its streams."""
    context.logs.delete_group(request["logGroupName"])
    return {}


@operation("DeleteLogStream", service="logs")
def delete_log_stream(request: Request, context: Context) -> Answer:
    """Removes a stream."""
    context.logs.delete_stream(request["logGroupName"], request["logStreamName"])
    return {}


@operation("PutLogEvents", service="logs")
def put_log_events(request: Request, context: Context) -> Answer:
    """Appends events to a stream. A sequence token is not looked at, as in CloudWatch since 2023."""
    refuse(request, (Unsupported(path="entity"),))
    events = [logs.Event(t=event["timestamp"], message=event["message"]) for event in request["logEvents"]]
    context.logs.put_events(request["logGroupName"], request["logStreamName"], events)
    return {"nextSequenceToken": "0"}


@operation("DescribeLogGroups", service="logs")
def describe_log_groups(request: Request, context: Context) -> Answer:
    """Groups by name."""
    refuse(request, OTHERS)
    page = context.logs.groups(
        prefix=request.get("logGroupNamePrefix", ""),
        limit=request.get("limit", 50),
        token=request.get("nextToken"),
    )
    return {"logGroups": [_group(group, context) for group in page.items], "nextToken": page.token}


@operation("DescribeLogStreams", service="logs")
def describe_log_streams(request: Request, context: Context) -> Answer:
    """Streams of a group, by name or by the time of their last event."""
    refuse(request, OTHERS)
    page = context.logs.streams(
        request["logGroupName"],
        prefix=request.get("logStreamNamePrefix", ""),
        by_time=request.get("orderBy") == "LastEventTime",
        descending=request.get("descending", False),
        limit=request.get("limit", 50),
        token=request.get("nextToken"),
    )
    shown = [_stream(stream, request["logGroupName"], context) for stream in page.items]
    return {"logStreams": shown, "nextToken": page.token}


@operation("GetLogEvents", service="logs")
def get_log_events(request: Request, context: Context) -> Answer:
    """A window of one stream. At the end of a stream the forward token comes back as it was given."""
    refuse(request, OTHERS)
    window = context.logs.events(
        request["logGroupName"],
        request["logStreamName"],
        start=request.get("startTime"),
        end=request.get("endTime"),
        from_head=request.get("startFromHead", False),
        limit=request.get("limit", 10_000),
        token=request.get("nextToken"),
    )
    return {
        "events": [
            {"timestamp": event.t, "message": event.message, "ingestionTime": event.t}
            for event in window.events
        ],
        "nextForwardToken": window.forward,
        "nextBackwardToken": window.backward,
    }


@operation("FilterLogEvents", service="logs")
def filter_log_events(request: Request, context: Context) -> Answer:
    """Events of several streams that match a pattern, in the order of time."""
    refuse(request, OTHERS)
    found = context.logs.filter(
        request["logGroupName"],
        streams=tuple(request.get("logStreamNames", ())),
        prefix=request.get("logStreamNamePrefix", ""),
        start=request.get("startTime"),
        end=request.get("endTime"),
        pattern=request.get("filterPattern", ""),
        limit=request.get("limit", 10_000),
        token=request.get("nextToken"),
    )
    return {
        "events": [
            {
                "logStreamName": event.stream,
                "timestamp": event.t,
                "message": event.message,
                "ingestionTime": event.t,
                "eventId": event.id,
            }
            for event in found.items
        ],
        "searchedLogStreams": [],
        "nextToken": found.token,
    }


def _group(group: logs.Group, context: Context) -> Answer:
    return {
        "logGroupName": group.name,
        "arn": context.arn("logs", f"log-group:{group.name}:*"),
        "creationTime": group.created,
        "storedBytes": group.size_bytes,
        "metricFilterCount": 0,
    }


def _stream(stream: logs.Stream, group: str, context: Context) -> Answer:
    return {
        "logStreamName": stream.name,
        "arn": context.arn("logs", f"log-group:{group}:log-stream:{stream.name}"),
        "creationTime": stream.created,
        "firstEventTimestamp": stream.first,
        "lastEventTimestamp": stream.last,
        "lastIngestionTime": stream.last,
        "uploadSequenceToken": "0",
        "storedBytes": 0,
    }
