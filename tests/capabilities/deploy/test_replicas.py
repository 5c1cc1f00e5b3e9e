"""One model server as data: what is kept of it, and how long it is waited for."""

import itertools
import json
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from glasshouse.capabilities.deploy import replicas
from glasshouse.capabilities.deploy.replicas import Instance
from glasshouse.kernel.ports import Exited, Handle, Lost

HANDLE = Handle({"id": "a"})
Change = Callable[[Instance, float], Instance]
CHANGES: dict[str, Change] = {
    "started": lambda one, now: one.begun(now).started(HANDLE, now),
    "well": lambda one, _now: one.well(),
    "unwell": lambda one, now: one.unwell(now, unrouted_s=6.0),
    "exited": lambda one, now: one.ended(Exited(code=1, reason="exited"), now),
    "stopped": lambda one, now: one.ended(Exited(code=0, reason="stopped"), now),
    "lost": lambda one, now: one.ended(Lost(), now),
    "refused": lambda one, now: one.refused("no model", now),
    "retired": lambda one, now: one.retired(now),
}


@given(st.lists(st.tuples(st.sampled_from(sorted(CHANGES)), st.floats(0.0, 100.0)), max_size=12))
def test_whatever_happens_to_it_an_instance_is_written_and_read_back_as_it_is(
    steps: list[tuple[str, float]],
) -> None:
    one = Instance(id="i-1")
    now = 0.0
    for name, later in steps:
        now += later
        one = CHANGES[name](one, now)
        assert Instance.read(json.loads(json.dumps(one.written()))) == one
        assert one.retry_at <= now + replicas.LONGEST_BACKOFF_S


def test_each_end_doubles_the_pause_up_to_a_minute() -> None:
    one, pauses = Instance(id="i-1"), []
    for _ in range(10):
        one = one.started(HANDLE, 0.0).ended(Exited(code=1, reason="exited"), 0.0)
        pauses.append(one.retry_at)
    assert pauses == [0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert [one.starts, one.exits] == [10, 10]


def test_one_that_was_told_to_end_comes_back_at_once_in_a_folder_of_its_own() -> None:
    one = Instance(id="i-1").started(HANDLE, 0.0).well().ended(Exited(code=0, reason="stopped"), 5.0)
    assert (one.retry_at, one.starts, one.exits, one.handle, one.ready) == (5.0, 1, 0, None, False)


def test_one_that_served_for_long_is_not_blamed_for_what_was_before() -> None:
    tired = Instance(id="i-1", exits=5).started(HANDLE, 0.0)
    assert tired.well().ended(Lost(), 61.0).exits == 1
    assert tired.well().ended(Lost(), 59.0).exits == 6
    assert tired.ended(Lost(), 61.0).exits == 6


def test_one_that_was_ready_may_be_silent_for_a_while_before_it_gets_no_more_requests() -> None:
    silent = Instance(id="i-1").started(HANDLE, 0.0)
    assert silent.unwell(9.0, unrouted_s=6.0) == silent
    looks = itertools.accumulate(
        [10.0, 16.0, 16.1], lambda one, now: one.unwell(now, unrouted_s=6.0), initial=silent.well()
    )
    assert [one.ready for one in looks] == [True, True, True, False]
