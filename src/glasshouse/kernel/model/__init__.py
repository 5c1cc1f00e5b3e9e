"""AWS service models: load them, read (validate) what comes in, write (shape) what goes out."""

from glasshouse.kernel.model.read import checked, read
from glasshouse.kernel.model.services import Service, Services
from glasshouse.kernel.model.write import shaped, write

__all__ = ["Service", "Services", "checked", "read", "shaped", "write"]
