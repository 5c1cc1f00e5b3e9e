"""Decisions that can be taken again: one evaluator for an endpoint and for a replay, years apart."""

from glasskit.decisions.bundles import Bundle, BundleUnreadable
from glasskit.decisions.deciding import Decider
from glasskit.decisions.rules import Rule, RuleInvalid

__all__ = ["Bundle", "BundleUnreadable", "Decider", "Rule", "RuleInvalid"]
