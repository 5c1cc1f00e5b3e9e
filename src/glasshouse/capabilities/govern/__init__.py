"""Govern: who may do what."""

from glasshouse.capabilities.govern import roles, sessions
from glasshouse.kernel.capability import Capability

CAPABILITY = Capability(name="govern", operations=(roles, sessions))

__all__ = ["CAPABILITY"]
