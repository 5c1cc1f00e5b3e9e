"""Explanations as data, and what readers make of them: fields, groups, words, reasons and letters."""

from glasskit.explain import (
    dependence,
    games,
    grouped,
    letters,
    outcomes,
    policies,
    reasons,
    regulation_b,
    sampling,
    words,
)
from glasskit.explain.explanations import Attribution, Explanation, Interactions

__all__ = [
    "Attribution",
    "Explanation",
    "Interactions",
    "dependence",
    "games",
    "grouped",
    "letters",
    "outcomes",
    "policies",
    "reasons",
    "regulation_b",
    "sampling",
    "words",
]
