"""CloudWatch Logs as boto3 speaks it; the laws of the files beneath are tests/kernel's."""

import pytest

from tests.support.workshop import Workshop

pytestmark = pytest.mark.slow

T = 1_700_000_000_000


@pytest.fixture
def group(workshop: Workshop) -> str:
    name = f"/mine/{workshop.name('group')}"
    workshop.logs.create_log_group(logGroupName=name)
    return name


def put(workshop: Workshop, group: str, stream: str, *messages: str, at: int = T) -> None:
    workshop.logs.create_log_stream(logGroupName=group, logStreamName=stream)
    workshop.logs.put_log_events(
        logGroupName=group,
        logStreamName=stream,
        logEvents=[{"timestamp": at + i, "message": message} for i, message in enumerate(messages)],
    )


def test_events_come_back_as_they_were_put(workshop: Workshop, group: str) -> None:
    put(workshop, group, "a/b-1", "one", "zwei ü", 'three "3"\t')
    found = workshop.logs.get_log_events(logGroupName=group, logStreamName="a/b-1", startFromHead=True)
    assert [(e["timestamp"], e["message"]) for e in found["events"]] == [
        (T, "one"),
        (T + 1, "zwei ü"),
        (T + 2, 'three "3"\t'),
    ]


def test_a_follower_reads_every_event_once(workshop: Workshop, group: str) -> None:
    """As SDK v2 does: startFromHead, then the forward token until nothing comes."""
    put(workshop, group, "s", *(str(i) for i in range(7)))
    seen: list[str] = []
    token: dict[str, str] = {}
    for _ in range(6):
        page = workshop.logs.get_log_events(
            logGroupName=group, logStreamName="s", startFromHead=True, startTime=0, limit=3, **token
        )
        seen += [event["message"] for event in page["events"]]
        token = {"nextToken": page["nextForwardToken"]}
    assert seen == [str(i) for i in range(7)]
    workshop.logs.put_log_events(
        logGroupName=group, logStreamName="s", logEvents=[{"timestamp": T + 10, "message": "later"}]
    )
    page = workshop.logs.get_log_events(logGroupName=group, logStreamName="s", startFromHead=True, **token)
    assert [event["message"] for event in page["events"]] == ["later"]


def test_events_of_several_streams_are_filtered_in_the_order_of_time(workshop: Workshop, group: str) -> None:
    put(workshop, group, "job/algo-1", "start", "ERROR one", at=T)
    put(workshop, group, "job/algo-2", "ERROR two", "end", at=T + 1)
    put(workshop, group, "other", "ERROR three", at=T)

    def found(**query: object) -> list[str]:
        pages = workshop.logs.get_paginator("filter_log_events").paginate(logGroupName=group, **query)
        return [event["message"] for page in pages for event in page["events"]]

    assert found(logStreamNamePrefix="job/") == ["start", "ERROR one", "ERROR two", "end"]
    assert found(filterPattern="ERROR") == ["ERROR three", "ERROR one", "ERROR two"]
    assert found(logStreamNames=["other"]) == ["ERROR three"]
    assert found(startTime=T + 2) == ["end"]
    assert found(logStreamNamePrefix="job/", limit=1) == ["start", "ERROR one", "ERROR two", "end"]


def test_groups_and_streams_are_listed_and_deleted(workshop: Workshop, group: str) -> None:
    put(workshop, group, "a", "x", at=T + 5)
    put(workshop, group, "b", "x", at=T)
    logs = workshop.logs
    (described,) = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    assert (described["logGroupName"], described["creationTime"] > T) == (group, True)
    by_name = logs.describe_log_streams(logGroupName=group)["logStreams"]
    assert [stream["logStreamName"] for stream in by_name] == ["a", "b"]
    assert by_name[0]["lastEventTimestamp"] == T + 5
    by_time = logs.describe_log_streams(logGroupName=group, orderBy="LastEventTime", descending=True)
    assert [stream["logStreamName"] for stream in by_time["logStreams"]] == ["a", "b"]
    pages = logs.get_paginator("describe_log_streams").paginate(
        logGroupName=group, PaginationConfig={"PageSize": 1}
    )
    assert [s["logStreamName"] for page in pages for s in page["logStreams"]] == ["a", "b"]
    logs.delete_log_stream(logGroupName=group, logStreamName="a")
    assert len(logs.describe_log_streams(logGroupName=group)["logStreams"]) == 1
    logs.delete_log_group(logGroupName=group)
    with workshop.refused("ResourceNotFoundException"):
        logs.describe_log_streams(logGroupName=group)


def test_errors_are_those_that_clients_look_for(workshop: Workshop, group: str) -> None:
    logs = workshop.logs
    with workshop.refused("ResourceNotFoundException"):
        logs.describe_log_streams(logGroupName="/nobody")
    with workshop.refused("ResourceNotFoundException"):
        logs.get_log_events(logGroupName=group, logStreamName="nobody")
    with workshop.refused("ResourceNotFoundException"):
        logs.put_log_events(
            logGroupName=group, logStreamName="nobody", logEvents=[{"timestamp": T, "message": "x"}]
        )
    with workshop.refused("ResourceAlreadyExistsException"):
        logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="s")
    with workshop.refused("InvalidParameterException"):
        logs.get_log_events(logGroupName=group, logStreamName="s", nextToken="made up")


def test_a_name_cannot_lead_out_of_the_logs_folder(workshop: Workshop, group: str) -> None:
    for stream in ("../../../credentials", "..", "a/../../../x"):
        workshop.logs.create_log_stream(logGroupName=group, logStreamName=stream)
        assert not (workshop.server.data / "credentials").exists()
    listed = workshop.logs.describe_log_streams(logGroupName=group)["logStreams"]
    assert {stream["logStreamName"] for stream in listed} == {"../../../credentials", "..", "a/../../../x"}
    with workshop.refused("ResourceNotFoundException"):
        workshop.logs.get_log_events(logGroupName="..", logStreamName="credentials.json")


def test_what_is_not_carried_out_is_refused_by_name(workshop: Workshop, group: str) -> None:
    with workshop.refused("ValidationException", "kmsKeyId"):
        workshop.logs.create_log_group(logGroupName=f"{group}-2", kmsKeyId="key")
    with workshop.refused("ValidationException", "unmask"):
        workshop.logs.filter_log_events(logGroupName=group, unmask=True)
