"""A resource kind as data. Everything regular is derived from the service model; only exceptions are written down."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from glasshouse.kernel import errors

if TYPE_CHECKING:
    from glasshouse.kernel.context import Context
    from glasshouse.kernel.records import Condition, Record

Doc = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The states of a kind. A status without moves is final. `failed` is where fatal work ends."""

    first: str
    moves: Mapping[str, frozenset[str]]
    failed: str = "Failed"
    reason_member: str = "FailureReason"

    def is_final(self, status: str) -> bool:
        return not self.moves.get(status)

    def sources(self, to: str) -> tuple[str, ...]:
        """The statuses from which `to` may be reached."""
        return tuple(status for status, targets in self.moves.items() if to in targets)

    @property
    def statuses(self) -> frozenset[str]:
        return frozenset(self.moves) | frozenset(s for targets in self.moves.values() for s in targets)


JOB_STATES = Machine(
    first="InProgress",
    moves={
        "InProgress": frozenset({"Completed", "Failed", "Stopping", "Stopped"}),
        "Stopping": frozenset({"Stopped", "Failed"}),
    },
)
"""The states of everything that runs once and ends, as `kernel.jobs.phases` moves it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """An error's code and text. Clients match on both; `source` says who does."""

    code: str
    text: str
    source: str

    def of(self, error: type[errors.WireError], **facts: str) -> errors.WireError:
        return error(self.text.format(**facts), code=self.code)


MISSING_JOB = Sentence(
    code="ValidationException",
    text="Could not find {label} '{name}'.",
    source="SDK v2 session._deployment_entity_exists matches 'Could not find'",
)
MISSING = Sentence(
    code="ValidationException",
    text='Could not find {label} "{arn}".',
    source="SDK v2 session._deployment_entity_exists; boto3 waiters succeed on ValidationException",
)
EXISTS = Sentence(
    code="ValidationException",
    text='Cannot create already existing {label} "{arn}".',
    source="SDK v2 session._create_resource and create_model",
)
IN_USE = Sentence(
    code="ResourceInUse",
    text="{Label} names must be unique within an AWS account and region, and a {label} with this name "
    "already exists ({arn})",
    source="what AWS answers, as quoted in github.com/aws/amazon-sagemaker-examples/pull/3108; SDK v2 "
    "session._create_resource matches 'already exists', v3 'must be unique within an AWS account'",
)


def _nothing(_doc: Doc, _context: Context) -> Doc:
    return {}


def _not_tagged(_labels: Mapping[str, str], _doc: Doc, _context: Context) -> Doc:
    return {}


def _no_uses(_doc: Doc) -> Iterable[tuple[str, str]]:
    return ()


def _no_view(_record: Record, _context: Context) -> Doc:
    return {}


def _deletable(_record: Record, _context: Context) -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of resource.

    fill: what the server adds at creation, from the validated request; raises errors.Validation for what
        it does not support.
    tagged: what the server adds for the tags that a resource is created with; raises errors.Validation.
    uses: (ARN, relation) pairs of what the new resource is made from: lineage edges.
    view: what Describe and List show beyond the stored document.
    may_delete: raises errors.Conflict when the resource may not go now.
    deleting: the status that Delete moves to when work must be undone first; without it the row goes at once.
    stopping: the status that Stop moves to.
    stopped_is_error: whether stopping a resource that is not running is refused.
    filters: List members that the naming rules do not explain.
    """

    noun: str
    label: str = ""
    states: Machine | None = None
    plural: str = ""
    name_member: str = ""
    arn_member: str = ""
    status_member: str = ""
    arn_slug: str = ""
    stopping: str = ""
    deleting: str = ""
    missing: Sentence = MISSING
    exists: Sentence = EXISTS
    page_size: int = 10
    fill: Callable[[Doc, Context], Doc] = _nothing
    tagged: Callable[[Mapping[str, str], Doc, Context], Doc] = _not_tagged
    uses: Callable[[Doc], Iterable[tuple[str, str]]] = _no_uses
    view: Callable[[Record, Context], Doc] = _no_view
    may_delete: Callable[[Record, Context], None] = _deletable
    filters: Mapping[str, Callable[[Any], Condition]] = field(default_factory=dict)
    created_member: str = "CreationTime"
    modified_member: str = "LastModifiedTime"

    def __post_init__(self) -> None:
        words = re.sub(r"(?<!^)(?=[A-Z])", " ", self.noun).lower()
        defaults = {
            "label": words,
            "plural": f"{self.noun}s",
            "name_member": f"{self.noun}Name",
            "arn_member": f"{self.noun}Arn",
            "status_member": f"{self.noun}Status",
            "arn_slug": words.replace(" ", "-"),
        }
        for name, value in defaults.items():
            if not getattr(self, name):
                object.__setattr__(self, name, value)

    @property
    def first_status(self) -> str:
        return self.states.first if self.states else ""

    def not_found(self, name: str, arn: str) -> errors.WireError:
        return self.missing.of(errors.NotFound, label=self.label, name=name, arn=arn, noun=self.noun)

    def already_exists(self, name: str, arn: str) -> errors.WireError:
        return self.exists.of(
            errors.AlreadyExists,
            label=self.label,
            Label=self.label[:1].upper() + self.label[1:],
            name=name,
            arn=arn,
            noun=self.noun,
        )
