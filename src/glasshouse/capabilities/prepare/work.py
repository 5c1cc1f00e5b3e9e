"""What is particular to a processing job on its way: continuous outputs, the exit message."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from glasshouse.capabilities.prepare import contract
from glasshouse.kernel import objects
from glasshouse.kernel.context import Context
from glasshouse.kernel.jobs import checkpoints, failures, instances, outputs, phases
from glasshouse.kernel.jobs.folders import Attempt
from glasshouse.kernel.jobs.phases import Ending, Followed, Patch
from glasshouse.kernel.ports import Exited
from glasshouse.kernel.records import Record

MESSAGE_BYTES = 1024


def _make_ready(record: Record, context: Context) -> None:
    images = context.ports.images
    images.environment(images.resolve(record.doc["AppSpecification"]["ImageUri"]))


def _entered(record: Record, context: Context, phase: str) -> Patch:
    if phase != "running":
        return {}
    return {"ProcessingStartTime": record.doc.get("ProcessingStartTime", context.ports.clock.now())}


def _follow(
    record: Record, context: Context, attempt: Attempt, _memory: Patch, final: bool
) -> Followed | None:
    """Copies the outputs that are to be uploaded while the job runs."""
    for index, (host, one) in enumerate(_outputs(record)):
        if one.get("S3UploadMode") == "Continuous":
            checkpoints.copy_new(
                context.ports.objects,
                context.ports.store,
                folder=attempt.inside(host, *contract.below_opt_ml(one["LocalPath"])),
                place=objects.Place.of_uri(record.key.account, one["S3Uri"]),
                memory=attempt.root / f"copied-{index}.json",
                final=final,
            )
    return None


def _finish(record: Record, context: Context, attempt: Attempt, exited: Exited) -> Ending:
    patch: dict[str, Any] = {"ProcessingEndTime": exited.ended_at, **_message(record, attempt)}
    if exited.reason == "stopped" or record.status == "Stopping":
        return Ending(to="Stopped", patch=patch)
    if exited.reason == "timed_out":
        limit_s = record.doc["StoppingCondition"]["MaxRuntimeInSeconds"]
        return Ending(
            to="Stopped",
            patch={**patch, "FailureReason": f"ClientError: the job ran longer than {limit_s} s"},
        )
    if exited.code != 0:
        reason = _reason(record, context, attempt, exited)
        return Ending(to="Failed", patch={**patch, "FailureReason": reason}, reason=reason)
    return Ending(to="Completed", patch=patch, files=tuple(_stored(record, context, attempt)))


def _stored(record: Record, context: Context, attempt: Attempt) -> Iterator[outputs.Named]:
    """The outputs that are uploaded at the end."""
    hosts = contract.hosts_of(record)
    for one in record.doc["ProcessingOutputConfig"]["Outputs"]:
        output = one["S3Output"]
        if output.get("S3UploadMode") != "Continuous":
            place = outputs.place_of(context, output["S3Uri"])
            folder = contract.below_opt_ml(output["LocalPath"])
            yield from outputs.files(context, attempt, hosts, folder, place)


def _stopped(_record: Record, context: Context) -> Ending:
    return Ending(to="Stopped", patch={"ProcessingEndTime": context.ports.clock.now()})


def _failed(_record: Record, context: Context, reason: str) -> Ending:
    patch = {"ProcessingEndTime": context.ports.clock.now(), "FailureReason": reason[: failures.LONGEST]}
    return Ending(to="Failed", patch=patch, reason=reason)


def _outputs(record: Record) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for host in contract.hosts_of(record):
        for one in record.doc["ProcessingOutputConfig"]["Outputs"]:
            yield host, one["S3Output"]


def _message(record: Record, attempt: Attempt) -> dict[str, str]:
    """/opt/ml/output/message of the first host that wrote one."""
    for host in contract.hosts_of(record):
        path = attempt.inside(host, "output") / "message"
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                return {"ExitMessage": file.read(MESSAGE_BYTES).decode(errors="replace")}
    return {}


def _reason(record: Record, context: Context, attempt: Attempt, exited: Exited) -> str:
    host = exited.host or contract.hosts_of(record)[0]
    cluster = record.doc["ProcessingResources"]["ClusterConfig"]
    return failures.reason_of(
        exited,
        failure_file=attempt.inside(host, "output") / "failure",
        log=contract.log_of(record, context, attempt, host),
        limits=instances.limits_of(cluster["InstanceType"], time_s=None),
    )


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
    )
)
