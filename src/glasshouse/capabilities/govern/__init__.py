"""Govern: who may do what, and what was decided."""

from glasshouse.capabilities.govern import decisions, roles, sessions
from glasshouse.kernel.capability import Capability

CAPABILITY = Capability(name="govern", operations=(decisions, roles, sessions))

__all__ = ["CAPABILITY"]
