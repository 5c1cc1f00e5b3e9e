"""Deploy: models, endpoints that serve them, and batch transform."""

from glasshouse.capabilities.deploy import endings, endpoints, kinds, operations, transform_kind, transforms
from glasshouse.kernel.capability import Capability

CAPABILITY = Capability(
    name="deploy",
    kinds=(kinds.MODEL, kinds.ENDPOINT_CONFIG, kinds.ENDPOINT, transform_kind.TRANSFORM_JOB),
    operations=(operations,),
    steps={"Endpoint": endpoints.step, "TransformJob": transforms.step},
    at_end=endings.stop_servers,
)

__all__ = ["CAPABILITY"]
