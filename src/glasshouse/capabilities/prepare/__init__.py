"""Prepare: processing jobs, any script over data."""

from glasshouse.capabilities.prepare import kinds, work
from glasshouse.kernel.capability import Capability

CAPABILITY = Capability(name="prepare", kinds=(kinds.PROCESSING_JOB,), steps={"ProcessingJob": work.step})

__all__ = ["CAPABILITY"]
