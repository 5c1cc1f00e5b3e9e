"""Train: jobs that turn data into a model."""

from glasshouse.capabilities.train import kinds, operations, work
from glasshouse.kernel.capability import Capability

CAPABILITY = Capability(
    name="train",
    kinds=(kinds.TRAINING_JOB,),
    operations=(operations,),
    steps={"TrainingJob": work.step},
)

__all__ = ["CAPABILITY"]
