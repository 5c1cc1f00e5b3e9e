"""The letter of an adverse decision, in plain language and plain text.

It says what was decided, why, and whom to ask; its words are the policy's, and it states nothing
that the outcome does not hold. Only a `Declined` outcome has a letter.
"""

from __future__ import annotations

import datetime
import textwrap
from collections.abc import Sequence

from glasskit.explain import policies, reasons

_WIDTH = 78


class NoLetterhead(LookupError):
    """A policy that says nothing about letters."""

    def __init__(self, policy: policies.Policy) -> None:
        super().__init__(f"The policy {policy.name!r}, version {policy.version}, has no [letter] table.")


def adverse_action(
    declined: reasons.Declined,
    policy: policies.Policy,
    *,
    applicant: str,
    reference: str,
    on: datetime.date,
    could_help: Sequence[str] = (),
) -> str:
    """The letter to an applicant. could_help: sentences on what would change the decision, if known."""
    if policy.letter is None:
        raise NoLetterhead(policy)
    if declined.measure.policy_digest != policy.digest:
        raise reasons.BaselineMismatch(declared=policy.digest, given=declined.measure.policy_digest)
    head = policy.letter
    n_reasons = len(declined.reasons)
    because = "The main reason is" if n_reasons == 1 else f"The {_number(n_reasons)} main reasons are"
    parts = [
        "\n".join((head.creditor, head.address)),
        f"{on.day} {on:%B %Y}\nReference: {reference}",
        f"Dear {applicant},",
        f"We have considered {head.product}, and we are unable to approve it.",
        f"{because}{', the most important first' if n_reasons > 1 else ''}:",
        "\n".join(_listed(f"{reason.rank}. ", reason.text) for reason in declined.reasons),
    ]
    if could_help:
        parts.append("With your other details as they are, this would have changed our decision:")
        parts.append("\n".join(_listed("- ", sentence) for sentence in could_help))
    parts += [
        "The reasons come from the information we hold about this application. If any of it is wrong or "
        "has changed, please tell us, and a person will look at the application again.",
        f"Questions: {head.contact}",
        head.notice,
        head.creditor,
    ]
    return "\n\n".join(_wrapped(part) for part in parts) + "\n"


def _number(number: int) -> str:
    words = ("two", "three", "four", "five", "six", "seven", "eight", "nine")
    return words[number - 2] if number - 2 < len(words) else str(number)


def _listed(mark: str, sentence: str) -> str:
    return textwrap.fill(sentence, _WIDTH, initial_indent=mark, subsequent_indent=" " * len(mark))


def _wrapped(part: str) -> str:
    return part if "\n" in part or len(part) <= _WIDTH else textwrap.fill(part, _WIDTH)
