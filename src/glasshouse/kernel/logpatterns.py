"""Filter patterns of CloudWatch Logs for unstructured events: terms, phrases, exclusions, alternatives.

Source: Amazon CloudWatch Logs User Guide, "Filter pattern syntax for metric filters, subscription
filters, filter log events". Patterns for JSON ({...}) and space-delimited events ([...]) and regular
expressions (%...%) are refused.
"""

from __future__ import annotations

from collections.abc import Callable

import regex

from glasshouse.kernel import errors

_TERM = regex.compile(r'\s*(?P<sign>[-?]?)(?:"(?P<phrase>(?:[^"\\]|\\.)*)"|(?P<word>[^\s"]+))(?=\s|$)')


def compile_pattern(pattern: str) -> Callable[[str], bool]:
    """A function that tells whether a message matches. Raises errors.Validation."""
    text = pattern.strip()
    if text[:1] in ("{", "[", "%"):
        raise _refused(pattern, "only terms, quoted phrases, -exclusions and ?alternatives are offered")
    terms = _terms(text, pattern)
    wanted = [term for sign, term in terms if sign == ""]
    unwanted = [term for sign, term in terms if sign == "-"]
    either = [term for sign, term in terms if sign == "?"]
    if either and (wanted or unwanted):
        raise _refused(pattern, "?alternatives cannot be combined with other terms")

    def matches(message: str) -> bool:
        return (
            all(term in message for term in wanted)
            and not any(term in message for term in unwanted)
            and (not either or any(term in message for term in either))
        )

    return matches


def _terms(text: str, pattern: str) -> list[tuple[str, str]]:
    terms: list[tuple[str, str]] = []
    at = 0
    while at < len(text):
        found = _TERM.match(text, at)
        if found is None:
            raise _refused(pattern, "a quotation mark is not closed, or a term has one inside")
        phrase = found["phrase"]
        term = found["word"] if phrase is None else regex.sub(r"\\(.)", r"\1", phrase)
        terms.append((found["sign"], term))
        at = found.end()
    return terms


def _refused(pattern: str, why: str) -> errors.Validation:
    return errors.Validation(f"Invalid filter pattern {pattern!r}: {why}.", code="InvalidParameterException")
