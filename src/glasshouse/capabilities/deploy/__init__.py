"""Deploy: models, endpoints that serve them, and batch transform."""

from glasshouse.capabilities.deploy import endpoints, kinds, operations
from glasshouse.kernel.capability import Capability

CAPABILITY = Capability(
    name="deploy",
    kinds=(kinds.MODEL, kinds.ENDPOINT_CONFIG, kinds.ENDPOINT),
    operations=(operations,),
    steps={"Endpoint": endpoints.step},
)

__all__ = ["CAPABILITY"]
