"""Log groups and streams."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glasshouse.kernel import errors, logfiles, logs

GROUP, STREAM = "/aws/sagemaker/TrainingJobs", "job-1/algo-1-1700000000"


class StandingClock:
    """A clock that moves only when told."""

    def __init__(self) -> None:
        self.at = 1_700_000_000.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


def logs_in(root: Path) -> logs.Logs:
    return logs.Logs(root=root, account="000000000000", region="us-east-1", clock=StandingClock())


@pytest.fixture
def store(tmp_path: Path) -> logs.Logs:
    return logs_in(tmp_path)


def write(
    store: logs.Logs, lines: list[tuple[int, str]], *, group: str = GROUP, stream: str = STREAM
) -> Path:
    path = store.path_of(group, stream)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    logfiles.append(path, [{"t": t, "m": text} for t, text in lines])
    return path


def read_all(
    store: logs.Logs, *, limit: int, start: int | None = None, end: int | None = None
) -> list[tuple[int, str]]:
    window = store.events(GROUP, STREAM, from_head=True, limit=limit, start=start, end=end)
    found = list(window.events)
    while True:
        after = store.events(GROUP, STREAM, token=window.forward, limit=limit, start=start, end=end)
        if after.forward == window.forward:
            return [(event.t, event.message) for event in found]
        found += after.events
        window = after


def read_all_backwards(store: logs.Logs, *, limit: int) -> list[tuple[int, str]]:
    window = store.events(GROUP, STREAM, limit=limit)
    found = list(window.events)
    while True:
        before = store.events(GROUP, STREAM, token=window.backward, limit=limit)
        if before.backward == window.backward:
            return [(event.t, event.message) for event in found]
        found = [*before.events, *found]
        window = before


LINES = st.lists(st.tuples(st.integers(0, 50), st.text(max_size=30)), max_size=30).map(
    lambda lines: sorted(lines, key=lambda line: line[0])
)


@given(lines=LINES, limit=st.integers(1, 8), start=st.integers(0, 50), end=st.integers(0, 50))
@settings(deadline=None, max_examples=60)
def test_windows_joined_forwards_are_the_events_of_that_time(
    tmp_path_factory: pytest.TempPathFactory, lines: list[tuple[int, str]], limit: int, start: int, end: int
) -> None:
    store = logs_in(tmp_path_factory.mktemp("logs"))
    write(store, lines)
    wanted = [line for line in lines if start <= line[0] < end]
    assert read_all(store, limit=limit, start=start, end=end) == wanted


@given(lines=LINES, limit=st.integers(1, 8))
@settings(deadline=None, max_examples=60)
def test_windows_joined_backwards_are_all_the_events(
    tmp_path_factory: pytest.TempPathFactory, lines: list[tuple[int, str]], limit: int
) -> None:
    store = logs_in(tmp_path_factory.mktemp("logs"))
    write(store, lines)
    assert read_all_backwards(store, limit=limit) == lines


@pytest.mark.slow
@given(streams=st.lists(LINES, min_size=1, max_size=4), limit=st.integers(1, 8))
@settings(deadline=None, max_examples=60)
def test_filtered_pages_joined_are_the_events_of_all_streams_in_order_of_time(
    tmp_path_factory: pytest.TempPathFactory, streams: list[list[tuple[int, str]]], limit: int
) -> None:
    store = logs_in(tmp_path_factory.mktemp("logs"))
    for number, lines in enumerate(streams):
        write(store, lines, stream=f"s{number}")
    page = store.filter(GROUP, limit=limit)
    found = list(page.items)
    while page.token is not None:
        page = store.filter(GROUP, limit=limit, token=page.token)
        found += page.items
    wanted = [(t, f"s{number}", text) for number, lines in enumerate(streams) for t, text in lines]
    assert [(event.t, event.stream) for event in found] == sorted((t, name) for t, name, _ in wanted)
    assert sorted((event.t, event.stream, event.message) for event in found) == sorted(wanted)
    assert len({event.id for event in found}) == len(found)


@given(
    name=st.text(min_size=1, max_size=512).filter(
        lambda text: not any("\ud800" <= c <= "\udfff" for c in text)
    )
)
@settings(deadline=None, max_examples=60)
def test_any_stream_name_can_be_a_file_and_comes_back(
    tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    store = logs_in(tmp_path_factory.mktemp("logs"))
    write(store, [(1, "x")], group=name, stream=name)
    assert [group.name for group in store.groups().items] == [name]
    assert [stream.name for stream in store.streams(name).items] == [name]


def test_long_lines_and_long_files_are_read_from_both_ends(store: logs.Logs) -> None:
    lines = [(number, "ü" * (number * 7 % 200_000)) for number in range(0, 60_000, 1_999)]
    write(store, lines)
    assert read_all(store, limit=7) == lines
    assert read_all_backwards(store, limit=7) == lines


def test_an_unfinished_last_line_waits_for_its_newline(store: logs.Logs) -> None:
    path = write(store, [(1, "whole")])
    with path.open("ab") as file:
        file.write(b'{"t":2,"m":"ha')
    window = store.events(GROUP, STREAM, from_head=True)
    assert [event.message for event in window.events] == ["whole"]
    assert [event.message for event in store.events(GROUP, STREAM).events] == ["whole"]
    with path.open("ab") as file:
        file.write(b'lf"}\n')
    assert [event.message for event in store.events(GROUP, STREAM, token=window.forward).events] == ["half"]


def test_a_line_that_a_crash_cut_short_is_passed_over(store: logs.Logs) -> None:
    path = write(store, [(1, "before")])
    with path.open("ab") as file:
        file.write(b'{"t":2,"m":"lo\n')
    write(store, [(3, "after")])
    assert read_all(store, limit=1) == [(1, "before"), (3, "after")]
    assert read_all_backwards(store, limit=1) == [(1, "before"), (3, "after")]


def test_a_token_at_the_end_is_answered_with_itself_until_more_comes(store: logs.Logs) -> None:
    write(store, [(1, "a"), (2, "b")])
    window = store.events(GROUP, STREAM, from_head=True)
    again = store.events(GROUP, STREAM, token=window.forward)
    assert (again.events, again.forward) == ((), window.forward)
    write(store, [(3, "c")])
    assert [event.message for event in store.events(GROUP, STREAM, token=window.forward).events] == ["c"]


def test_without_from_head_the_newest_events_come_oldest_first(store: logs.Logs) -> None:
    write(store, [(number, str(number)) for number in range(10)])
    assert [event.message for event in store.events(GROUP, STREAM, limit=3).events] == ["7", "8", "9"]


@pytest.mark.parametrize("token", ["x/0", "f/1", "f/" + "9" * 55, "f/" + "0" * 55 + "3", "g/" + "0" * 56])
def test_a_token_of_another_making_is_refused(store: logs.Logs, token: str) -> None:
    write(store, [(1, "a")])
    with pytest.raises(errors.Validation, match="nextToken"):
        store.events(GROUP, STREAM, token=token)


def test_an_answer_holds_no_more_than_a_mebibyte_of_text(store: logs.Logs) -> None:
    write(store, [(number, "x" * 300_000) for number in range(8)])
    assert len(store.events(GROUP, STREAM, from_head=True).events) == 3
    assert len(read_all(store, limit=100)) == 8


@pytest.mark.parametrize(
    ("group", "stream", "text"),
    [
        ("/no/such", STREAM, "The specified log group does not exist."),
        (GROUP, "nosuch", "The specified log stream does not exist."),
    ],
)
def test_what_is_not_there_is_told_in_the_words_of_cloudwatch(
    store: logs.Logs, group: str, stream: str, text: str
) -> None:
    write(store, [(1, "a")])
    with pytest.raises(errors.NotFound) as caught:
        store.events(group, stream)
    assert (caught.value.message, caught.value.code) == (text, "ResourceNotFoundException")


def test_groups_and_streams_are_created_once_and_deleted_whole(store: logs.Logs) -> None:
    store.create_group("g")
    store.create_stream("g", "s")
    for again in (lambda: store.create_group("g"), lambda: store.create_stream("g", "s")):
        with pytest.raises(errors.AlreadyExists) as caught:
            again()
        assert caught.value.code == "ResourceAlreadyExistsException"
    assert store.events("g", "s").events == ()
    store.delete_stream("g", "s")
    assert store.streams("g").items == ()
    store.delete_group("g")
    assert store.groups().items == ()
    with pytest.raises(errors.NotFound):
        store.delete_group("g")


def test_events_put_are_read_with_their_time_of_ingestion(store: logs.Logs) -> None:
    store.create_group("g")
    store.create_stream("g", "s")
    store.put_events("g", "s", [logs.Event(t=5, message="two\nlines"), logs.Event(t=6, message="")])
    events = store.events("g", "s").events
    assert [(event.t, event.message, event.ingested) for event in events] == [
        (5, "two\nlines", 1_700_000_000_000),
        (6, "", 1_700_000_000_000),
    ]


def test_events_out_of_order_are_refused_and_none_is_kept(store: logs.Logs) -> None:
    store.create_group("g")
    store.create_stream("g", "s")
    with pytest.raises(errors.Validation, match="chronological"):
        store.put_events("g", "s", [logs.Event(t=6, message="b"), logs.Event(t=5, message="a")])
    assert store.events("g", "s").events == ()


def test_streams_tell_their_first_and_last_times(store: logs.Logs) -> None:
    write(store, [(5, "a"), (9, "b")])
    (stream,) = store.streams(GROUP, prefix="job-1/").items
    assert (stream.name, stream.created, stream.first, stream.last) == (STREAM, 5, 5, 9)


@given(
    times=st.lists(st.integers(1, 9), max_size=9),
    limit=st.integers(1, 4),
    by_time=st.booleans(),
    down=st.booleans(),
)
@settings(deadline=None, max_examples=40)
def test_pages_of_streams_joined_are_the_sorted_streams(
    tmp_path_factory: pytest.TempPathFactory, times: list[int], limit: int, by_time: bool, down: bool
) -> None:
    store = logs_in(tmp_path_factory.mktemp("logs"))
    store.create_group(GROUP)
    for number, t in enumerate(times):
        write(store, [(t, "x")], stream=f"s{number}")
    page = store.streams(GROUP, by_time=by_time, descending=down, limit=limit)
    names = [stream.name for stream in page.items]
    while page.token is not None:
        page = store.streams(GROUP, by_time=by_time, descending=down, limit=limit, token=page.token)
        names += [stream.name for stream in page.items]
    keys = [((t, f"s{number}") if by_time else f"s{number}") for number, t in enumerate(times)]
    assert names == [key[-1] if isinstance(key, tuple) else key for key in sorted(keys, reverse=down)]


def test_ordering_by_time_and_a_prefix_exclude_each_other(store: logs.Logs) -> None:
    store.create_group("g")
    with pytest.raises(errors.Validation, match="LastEventTime"):
        store.streams("g", prefix="a", by_time=True)


MESSAGES = ("[ERROR 400] BAD REQUEST", "[WARN] slow", "INFO started", 'said "hi there" twice')


@pytest.mark.parametrize(
    ("pattern", "matched"),
    [
        ("", [0, 1, 2, 3]),
        ("ERROR", [0]),
        ("error", []),
        ("ERROR 400", [0]),
        ('"BAD REQUEST"', [0]),
        ('"REQUEST BAD"', []),
        ("-ERROR -WARN", [2, 3]),
        ("started -ERROR", [2]),
        ("?ERROR ?WARN", [0, 1]),
        (r'"\"hi there\""', [3]),
        ('?"hi there" ?slow', [1, 3]),
    ],
)
def test_patterns_choose_what_cloudwatch_would(store: logs.Logs, pattern: str, matched: list[int]) -> None:
    write(store, list(enumerate(MESSAGES)))
    assert [event.t for event in store.filter(GROUP, pattern=pattern).items] == matched


@pytest.mark.parametrize("pattern", ['{ $.a = "b" }', "[a, b]", "%x%", "?a b", '"open', 'a"b'])
def test_patterns_that_are_not_offered_are_refused(store: logs.Logs, pattern: str) -> None:
    store.create_group(GROUP)
    with pytest.raises(errors.Validation) as caught:
        store.filter(GROUP, pattern=pattern)
    assert caught.value.code == "InvalidParameterException"


def test_filtering_keeps_to_the_streams_and_times_asked_for(store: logs.Logs) -> None:
    for stream in ("a/1", "a/2", "b/1"):
        write(store, [(number, "x") for number in range(5)], stream=stream)
    by_prefix = store.filter(GROUP, prefix="a/", start=1, end=2).items
    assert [(event.t, event.stream) for event in by_prefix] == [
        (1, "a/1"),
        (1, "a/2"),
        (2, "a/1"),
        (2, "a/2"),
    ]
    assert {event.stream for event in store.filter(GROUP, streams=["b/1"]).items} == {"b/1"}
    with pytest.raises(errors.NotFound):
        store.filter(GROUP, streams=["c"])
