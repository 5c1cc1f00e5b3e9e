"""The operations of training that are not regular."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from glasshouse.capabilities.train import kinds
from glasshouse.kernel import errors, events, verbs
from glasshouse.kernel.context import Context
from glasshouse.kernel.operations import operation
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
    record = verbs.find(kinds.TRAINING_JOB, request["TrainingJobName"], context)
    if record.status != "InProgress":
        raise errors.Conflict(f"The training job is in status {record.status} and can no longer be updated.")
    patch = {member: value for member, value in request.items() if member == "ProfilerConfig"}
    with context.ports.store.write() as tx:
        events.changed(
            tx,
            kinds.TRAINING_JOB,
            record,
            now=context.ports.clock.now(),
            patch=patch,
            due_at=record.due_at,
            principal=context.caller.arn,
            request_id=context.request_id,
        )
    return {"TrainingJobArn": record.arn}
