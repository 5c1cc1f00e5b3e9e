"""Explanations as data, and what readers make of them: fields, groups, words, reasons and letters."""

from glasskit.explain import (
    dependence,
    games,
    grouped,
    images,
    images_objects,
    letters,
    outcomes,
    policies,
    reasons,
    regulation_b,
    sampling,
    texts,
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
    "images",
    "images_objects",
    "letters",
    "outcomes",
    "policies",
    "reasons",
    "regulation_b",
    "sampling",
    "texts",
    "words",
]
