"""What is measured: one call for each case, the same for few and for very many resources."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.control_plane import filling
from benchmarks.control_plane.filling import Side

Call = Callable[[], dict[str, Any]]

CREATE_BAR = 1.5
LIST_BAR = 2.0
DEEP = 0.5
"""How far into the list the deep page lies."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """`bar`: how many times as long as with few resources it may take."""

    name: str
    bar: float
    call_on: Callable[[Side], Call]


def cases() -> Iterator[Case]:
    yield Case(name="Create", bar=CREATE_BAR, call_on=_create)
    yield Case(name="Describe", bar=CREATE_BAR, call_on=_describe)
    for sort, order in itertools.product(("CreationTime", "Name", "Status"), ("Descending", "Ascending")):
        asked = {"SortBy": sort, "SortOrder": order}
        place = f"{sort} {order.lower()}"
        yield Case(name=f"List by {place}", bar=LIST_BAR, call_on=_list(asked, lambda side: {}))
        yield Case(name=f"List by {place}, deep page", bar=LIST_BAR, call_on=_deep(asked))
        for label, wanted in _FILTERS.items():
            yield Case(
                name=f"List by {place}, {label}",
                bar=LIST_BAR,
                call_on=_list(asked, wanted),
            )


_FILTERS: Mapping[str, Callable[[Side], dict[str, Any]]] = {
    "name with a common part": lambda side: {"NameContains": "credit"},
    "name with a rare part": lambda side: {"NameContains": "zebra"},
    "name with a part nobody has": lambda side: {"NameContains": "walrus"},
    "name with two characters nobody has": lambda side: {"NameContains": "zq"},
    "one name": lambda side: {"NameContains": filling.name_of(side.n_rows // 2)},
    "common status": lambda side: {"StatusEquals": "Completed"},
    "rare status": lambda side: {"StatusEquals": "Failed"},
    "status nobody has": lambda side: {"StatusEquals": "Stopped"},
    "created last": lambda side: {"CreationTimeAfter": side.last_at - filling.N_FAILED},
    "created first": lambda side: {"CreationTimeBefore": filling.FIRST_AT + filling.N_FAILED},
    "created in the later half": lambda side: {"CreationTimeAfter": filling.FIRST_AT + side.n_rows / 2},
    "created in the earlier half": lambda side: {"CreationTimeBefore": filling.FIRST_AT + side.n_rows / 2},
    "changed last": lambda side: {"LastModifiedTimeAfter": side.last_at + 600 - filling.N_FAILED},
    "changed in the later half": lambda side: {
        "LastModifiedTimeAfter": filling.FIRST_AT + 600 + side.n_rows / 2
    },
    "changed in the earlier half": lambda side: {
        "LastModifiedTimeBefore": filling.FIRST_AT + 600 + side.n_rows / 2
    },
    "created last and failed": lambda side: {
        "CreationTimeAfter": side.last_at - 50,
        "StatusEquals": "Failed",
    },
    "common status and rare part": lambda side: {"StatusEquals": "Completed", "NameContains": "zebra"},
}


def _create(side: Side) -> Call:
    numbers = itertools.count()
    return lambda: side.call("CreateTrainingJob", **filling.request(f"new-{next(numbers)}"))


def _describe(side: Side) -> Call:
    numbers = itertools.cycle(range(0, side.n_rows, max(1, side.n_rows // 97)))
    return lambda: side.call("DescribeTrainingJob", TrainingJobName=filling.name_of(next(numbers)))


def _list(asked: Mapping[str, Any], wanted_of: Callable[[Side], Mapping[str, Any]]) -> Callable[[Side], Call]:
    def call_on(side: Side) -> Call:
        whole = {**asked, **wanted_of(side)}
        return lambda: side.call("ListTrainingJobs", **whole)

    return call_on


def _deep(asked: Mapping[str, Any]) -> Callable[[Side], Call]:
    def call_on(side: Side) -> Call:
        token = None
        for _ in range(max(1, int(side.n_rows * DEEP / 100))):
            page = side.call(
                "ListTrainingJobs", **asked, MaxResults=min(100, side.n_rows // 2), NextToken=token
            )
            token = page["NextToken"]
        return lambda: side.call("ListTrainingJobs", **asked, NextToken=token)

    return call_on
