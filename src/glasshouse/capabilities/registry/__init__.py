"""Registry: model packages, versioned and approved."""

from glasshouse.capabilities.registry import kinds, operations
from glasshouse.kernel.capability import Capability

CAPABILITY = Capability(
    name="registry",
    kinds=(kinds.MODEL_PACKAGE_GROUP, kinds.MODEL_PACKAGE),
    operations=(operations,),
)

__all__ = ["CAPABILITY"]
