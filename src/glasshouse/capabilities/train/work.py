"""What is particular to a training job on its way: secondary statuses, metrics, checkpoints, the model."""

from __future__ import annotations

from typing import Any

from glasshouse.capabilities.train import contract, progress
from glasshouse.kernel import objects
from glasshouse.kernel.context import Context
from glasshouse.kernel.jobs import checkpoints, failures, instances, outputs, phases
from glasshouse.kernel.jobs.folders import Attempt
from glasshouse.kernel.jobs.phases import Ending, Followed, Patch
from glasshouse.kernel.ports import Exited
from glasshouse.kernel.records import Record

SECONDARY = {
    "preparing": "Downloading",
    "running": "Training",
    "stopping": "Stopping",
    "publishing": "Uploading",
    "restarting": "Restarting",
}
FAILURES = ("exited", "out_of_memory", "not_started")


def _make_ready(record: Record, context: Context) -> None:
    images = context.ports.images
    images.environment(images.resolve(record.doc["AlgorithmSpecification"]["TrainingImage"]))


def _entered(record: Record, context: Context, phase: str) -> Patch:
    now = context.ports.clock.now()
    patch = progress.entered(record, SECONDARY[phase], now)
    if phase == "running":
        patch["TrainingStartTime"] = record.doc.get("TrainingStartTime", now)
    return patch


def _follow(
    record: Record, context: Context, attempt: Attempt, _memory: Patch, final: bool
) -> Followed | None:
    """Copies checkpoints as they appear and reads metrics off the log."""
    _copy_checkpoints(record, context, attempt, final=final)
    return progress.metrics_of(record, context, attempt, final=final)


def _finish(record: Record, context: Context, attempt: Attempt, exited: Exited) -> Ending:
    times = _times(exited)
    if exited.reason in FAILURES and exited.code != 0:
        return _ending(
            record, context, "Failed", patch=times, reason=_reason(record, context, attempt, exited)
        )
    base = outputs.place_of(context, record.doc["OutputDataConfig"]["S3OutputPath"])
    place = base.within(f"{record.key.name}/output")
    model, files = _stored(record, context, attempt, place)
    patch = {**times, "ModelArtifacts": {"S3ModelArtifacts": model}}
    if exited.reason == "timed_out":
        return _ending(record, context, "Stopped", secondary="MaxRuntimeExceeded", patch=patch, files=files)
    to = "Stopped" if exited.reason == "stopped" or record.status == "Stopping" else "Completed"
    return _ending(record, context, to, patch=patch, files=files)


def _stopped(record: Record, context: Context) -> Ending:
    return _ending(record, context, "Stopped")


def _failed(record: Record, context: Context, reason: str) -> Ending:
    return _ending(record, context, "Failed", reason=reason)


def _ending(
    record: Record,
    context: Context,
    to: str,
    *,
    secondary: str = "",
    patch: Patch | None = None,
    files: tuple[outputs.Named, ...] = (),
    reason: str = "",
) -> Ending:
    now = context.ports.clock.now()
    members: dict[str, Any] = {"TrainingEndTime": now, **(patch or {})}
    members |= progress.entered(record, secondary or to, now, final=True)
    if reason:
        members["FailureReason"] = reason[: failures.LONGEST]
    return Ending(to=to, patch=members, files=files, reason=reason)


def _times(exited: Exited) -> dict[str, Any]:
    seconds = max(1, round(exited.ended_at - exited.started_at))
    return {
        "TrainingEndTime": exited.ended_at,
        "TrainingTimeInSeconds": seconds,
        "BillableTimeInSeconds": seconds,
    }


def _reason(record: Record, context: Context, attempt: Attempt, exited: Exited) -> str:
    host = exited.host or contract.hosts_of(record)[0]
    return failures.reason_of(
        exited,
        failure_file=attempt.inside(host, "output") / "failure",
        log=contract.log_of(record, context, attempt, host),
        limits=instances.limits_of(record.doc["ResourceConfig"]["InstanceType"], time_s=None),
    )


def _stored(
    record: Record, context: Context, attempt: Attempt, place: objects.Place
) -> tuple[str, tuple[outputs.Named, ...]]:
    """The model's address and all outputs, stored without a name yet."""
    hosts = contract.hosts_of(record)
    if record.doc["OutputDataConfig"]["CompressionType"] == "NONE":
        model = outputs.files(context, attempt, hosts, ("model",), place.within("model"))
        data = outputs.files(context, attempt, hosts, ("output", "data"), place.within("data"))
        return f"{place.uri}/model/", (*model, *data)
    target = place.within("model.tar.gz")
    named = [outputs.archive(context, attempt, hosts, ("model",), target)]
    if not outputs.is_empty(attempt, hosts, ("output", "data")):
        more = place.within("output.tar.gz")
        named.append(outputs.archive(context, attempt, hosts, ("output", "data"), more))
    return target.uri, tuple(named)


def _copy_checkpoints(record: Record, context: Context, attempt: Attempt, *, final: bool) -> None:
    config = record.doc.get("CheckpointConfig")
    if config is None:
        return
    for host in contract.hosts_of(record):
        checkpoints.copy_new(
            context.ports.objects,
            context.ports.store,
            folder=contract.checkpoint_folder(record, attempt, host),
            place=objects.Place.of_uri(record.key.account, config["S3Uri"]),
            memory=attempt.root / f"checkpoints-{host}.json",
            final=final,
        )


def _attempts(record: Record) -> int:
    """The first attempt and as many more as RetryStrategy allows."""
    more: int = record.doc.get("RetryStrategy", {}).get("MaximumRetryAttempts", phases.MAX_ATTEMPTS - 1)
    return 1 + more


step = phases.step_of(
    phases.Plan(
        make_ready=_make_ready,
        lay_out=contract.lay_out,
        job_of=contract.job_of,
        entered=_entered,
        follow=_follow,
        finish=_finish,
        stopped=_stopped,
        failed=_failed,
        attempts=_attempts,
    )
)
