"""The letter of an adverse decision, in plain language: as plain text and as a page of HTML.

It says what was decided, why, what could help and whom to ask; its words are the policy's, and it states
nothing that the outcome does not hold. Only a `Declined` outcome has a letter.
"""

from __future__ import annotations

import dataclasses
import datetime
import html
import textwrap
from collections.abc import Sequence

from glasskit.explain import policies, reasons

_WIDTH = 78
_COULD_HELP = "With your other details as they are, this would have changed our decision:"
_ANY_COULD_HELP = "With your other details as they are, any one of these would have changed our decision:"
_REVIEW = (
    "The reasons come from the information we hold about this application. If any of it is wrong or "
    "has changed, please tell us. A person will then look at the application again."
)


class NoLetterhead(LookupError):
    """A policy that says nothing about letters."""

    def __init__(self, policy: policies.Policy) -> None:
        super().__init__(f"The policy {policy.name!r}, version {policy.version}, has no [letter] table.")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What a letter says, part by part. could_help: what would have changed the decision, if known."""

    head: policies.Letterhead
    applicant: str
    address: tuple[str, ...]
    reference: str
    on: datetime.date
    reasons: tuple[str, ...]
    could_help: tuple[str, ...] = ()

    @property
    def _day(self) -> str:
        return f"{self.on.day} {self.on:%B %Y}"

    @property
    def _decision(self) -> str:
        return f"We have considered {self.head.product}, and we are unable to approve it."

    @property
    def _because(self) -> str:
        n_reasons = len(self.reasons)
        if n_reasons == 1:
            return "The main reason is:"
        return f"The {_number(n_reasons)} main reasons are, the most important first:"

    @property
    def _helps(self) -> str:
        return _COULD_HELP if len(self.could_help) == 1 else _ANY_COULD_HELP

    def text(self) -> str:
        """The letter as plain text, at most 78 characters a line."""
        parts = [
            "\n".join((self.head.creditor, self.head.address)),
            *(["\n".join((self.applicant, *self.address))] if self.address else []),
            f"{self._day}\nReference: {self.reference}",
            f"Dear {self.applicant},",
            self._decision,
            self._because,
            "\n".join(_listed(f"{rank}. ", text) for rank, text in enumerate(self.reasons, start=1)),
        ]
        if self.could_help:
            parts += [self._helps, "\n".join(_listed("- ", sentence) for sentence in self.could_help)]
        parts += [_REVIEW, f"Questions: {self.head.contact}", self.head.notice, self.head.creditor]
        return "\n\n".join(_wrapped(part) for part in parts) + "\n"

    def fragment(self) -> str:
        """The letter as HTML to stand inside a page; every text is escaped."""
        sender = "<br>".join(
            html.escape(line) for line in (self.head.creditor, *self.head.address.splitlines())
        )
        receiver = "<br>".join(html.escape(line) for line in (self.applicant, *self.address))
        why = "".join(f"<li>{html.escape(text)}</li>" for text in self.reasons)
        helps = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in self.could_help)
        return "\n".join(
            (
                f"<address>{sender}</address>",
                f"<address>{receiver}</address>" if self.address else "",
                f"<p>{html.escape(self._day)}<br>Reference: {html.escape(self.reference)}</p>",
                f"<p>Dear {html.escape(self.applicant)},</p>",
                f"<p>{html.escape(self._decision)}</p>",
                f"<p>{html.escape(self._because)}</p>\n<ol>{why}</ol>",
                f"<p>{html.escape(self._helps)}</p>\n<ul>{helps}</ul>" if helps else "",
                *(f"<p>{html.escape(part)}</p>" for part in (_REVIEW, f"Questions: {self.head.contact}")),
                f"<p>{html.escape(self.head.notice)}</p>",
                f"<p>{html.escape(self.head.creditor)}</p>",
            )
        )

    def html(self) -> str:
        """The letter as a page of its own, without a script and without a request to anywhere."""
        return (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f"<title>{html.escape(self.head.creditor)}: {html.escape(self.reference)}</title>\n"
            f"<style>{_SHEET}</style>\n</head>\n<body>\n{self.fragment()}\n</body>\n</html>\n"
        )


_SHEET = (
    "body { font: 12pt/1.5 Georgia, 'Times New Roman', serif; max-width: 38em; margin: 3em auto; padding: 0 1em; }"
    " address { font-style: normal; margin-bottom: 1.5em; }"
)


def compose(
    declined: reasons.Declined,
    policy: policies.Policy,
    *,
    applicant: str,
    reference: str,
    on: datetime.date,
    address: Sequence[str] = (),
    could_help: Sequence[str] = (),
) -> Letter:
    """The letter to an applicant; address: the lines under the name, if the letter shall show them.

    Raises NoLetterhead, and BaselineMismatch where another policy decided.
    """
    if policy.letter is None:
        raise NoLetterhead(policy)
    if declined.measure.policy_digest != policy.digest:
        raise reasons.BaselineMismatch(declared=policy.digest, given=declined.measure.policy_digest)
    return Letter(
        head=policy.letter,
        applicant=applicant,
        address=tuple(address),
        reference=reference,
        on=on,
        reasons=tuple(reason.text for reason in declined.reasons),
        could_help=tuple(could_help),
    )


def adverse_action(
    declined: reasons.Declined,
    policy: policies.Policy,
    *,
    applicant: str,
    reference: str,
    on: datetime.date,
    could_help: Sequence[str] = (),
) -> str:
    """The text of the letter that `compose` makes."""
    return compose(
        declined, policy, applicant=applicant, reference=reference, on=on, could_help=could_help
    ).text()


def _number(number: int) -> str:
    words = ("two", "three", "four", "five", "six", "seven", "eight", "nine")
    return words[number - 2] if number - 2 < len(words) else str(number)


def _listed(mark: str, sentence: str) -> str:
    return textwrap.fill(sentence, _WIDTH, initial_indent=mark, subsequent_indent=" " * len(mark))


def _wrapped(part: str) -> str:
    return part if "\n" in part or len(part) <= _WIDTH else textwrap.fill(part, _WIDTH)
