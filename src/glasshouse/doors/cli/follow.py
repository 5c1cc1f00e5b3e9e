"""`glasshouse logs`: the log lines of a job or an endpoint, as they come."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from glasshouse.doors.cli import failures

POLL_S = 0.5
WORKING = re.compile(r"InProgress|Pending|Starting|Stopping|Creating|Updating")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Whose log it is. `prefix` is what the names of its streams begin with."""

    noun: str
    name: str

    @property
    def group(self) -> str:
        plural = f"/aws/sagemaker/{self.noun}s"
        return f"{plural}/{self.name}" if self.noun == "Endpoint" else plural

    @property
    def prefix(self) -> str:
        return "" if self.noun == "Endpoint" else f"{self.name}/"


def find(name: str, offered: Sequence[str], sagemaker: Any, *, noun: str = "") -> Source:
    """The job or endpoint of that name, of that kind when one is given. Raises Failed when it is not one thing."""
    sources = [Source(noun=one, name=name) for one in nouns(offered) if noun in ("", one)]
    found = [source for source in sources if status(source, sagemaker)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise failures.Failed(f"There is no {noun or 'job or endpoint'} named {name}.")
    choices = ", ".join(f"--of {source.noun}" for source in found)
    raise failures.Failed(f"{len(found)} kinds of things are named {name}; say which: {choices}.")


def nouns(offered: Sequence[str]) -> list[str]:
    """The kinds that write logs and can be described by name."""
    described = (match[1] for match in map(re.compile(r"Describe(\w+)").fullmatch, offered) if match)
    return [noun for noun in described if noun.endswith("Job") or noun == "Endpoint"]


def status(source: Source, sagemaker: Any) -> str:
    """The status of the job or endpoint; empty when there is none of that name."""
    import botocore.exceptions
    from botocore import xform_name

    describe = getattr(sagemaker, xform_name(f"Describe{source.noun}"))
    try:
        return str(describe(**{f"{source.noun}Name": source.name})[f"{source.noun}Status"])
    except botocore.exceptions.ClientError as error:
        if error.response["Error"]["Code"] in ("ValidationException", "ResourceNotFound"):
            return ""
        raise failures.Failed(str(error)) from error


def lines(
    source: Source, *, follow: bool, sagemaker: Any, logs: Any, pause: Callable[[float], None] = time.sleep
) -> Iterator[str]:
    """Every line so far, then (with `follow`) those that come until the work has ended."""
    tokens: dict[str, str] = {}
    while True:
        ended = not follow or not WORKING.fullmatch(status(source, sagemaker))
        streams = _streams(source, logs)
        for stream in streams:
            where = f"[{stream.removeprefix(source.prefix)}] " if len(streams) > 1 else ""
            for message in _new(source.group, stream, tokens, logs):
                yield f"{where}{message}"
        if ended:
            return
        pause(POLL_S)


def _streams(source: Source, logs: Any) -> list[str]:
    pages = logs.get_paginator("describe_log_streams")
    wish = {"logGroupName": source.group} | ({"logStreamNamePrefix": source.prefix} if source.prefix else {})
    try:
        return [stream["logStreamName"] for page in pages.paginate(**wish) for stream in page["logStreams"]]
    except logs.exceptions.ResourceNotFoundException:
        return []


def _new(group: str, stream: str, tokens: dict[str, str], logs: Any) -> Iterator[str]:
    """The events of a stream that were not read before; `tokens` remembers how far."""
    while True:
        resume = {"nextToken": tokens[stream]} if stream in tokens else {}
        page = logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True, **resume)
        yield from (event["message"] for event in page["events"])
        if page["nextForwardToken"] == tokens.get(stream):
            return
        tokens[stream] = page["nextForwardToken"]
