"""Monitor: what jobs and endpoints say."""

from glasshouse.capabilities.monitor import operations
from glasshouse.kernel.capability import Capability

CAPABILITY = Capability(name="monitor", operations=(operations,))

__all__ = ["CAPABILITY"]
