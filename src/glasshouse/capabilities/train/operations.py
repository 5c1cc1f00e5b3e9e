"""The operations of training that are not regular."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from glasshouse.capabilities.train import kinds
from glasshouse.kernel import changes, errors
from glasshouse.kernel.changes import Change
from glasshouse.kernel.context import Context
from glasshouse.kernel.operations import operation
from glasshouse.kernel.records import Record
from glasshouse.kernel.unsupported import Unsupported, refuse

REFUSED = (
    Unsupported(path="ProfilerConfig.ProfilingParameters", accepts=({},)),
    Unsupported(path="ProfilerRuleConfigurations", accepts=([],)),
    Unsupported(path="ResourceConfig.KeepAlivePeriodInSeconds", accepts=(0,)),
    Unsupported(path="RemoteDebugConfig.EnableRemoteDebug", accepts=(False,)),
)


@operation("UpdateTrainingJob")
def update_training_job(request: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """Changes the profiler's settings of a running job, the only thing that may change."""
    refuse(request, REFUSED)

    def decide(record: Record) -> Change:
        if record.status != "InProgress":
            raise errors.Conflict(
                f"The training job is in status {record.status} and can no longer be updated."
            )
        return Change(patch={m: value for m, value in request.items() if m == "ProfilerConfig"})

    record = changes.change(kinds.TRAINING_JOB, request["TrainingJobName"], context, decide)
    return {"TrainingJobArn": record.arn}
