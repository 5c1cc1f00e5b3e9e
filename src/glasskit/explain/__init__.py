"""Explanations as data, and what readers make of them: fields, groups and words."""

from glasskit.explain import grouped, words
from glasskit.explain.explanations import Attribution, Explanation, Interactions

__all__ = ["Attribution", "Explanation", "Interactions", "grouped", "words"]
