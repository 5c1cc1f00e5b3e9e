"""Batch transform as a job: every host runs the model server and, beside it, the driver that feeds it.

The driver (`glasskit.container.batch`) reads /opt/ml/transform/spec.json, splits the files under
/opt/ml/transform/input into records, posts them to the server and writes /opt/ml/transform/output. Source of the
semantics: SageMaker developer guide, "Use your own inference code with batch transform".
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from glasshouse.capabilities.deploy import hosting
from glasshouse.kernel import objects
from glasshouse.kernel.context import Context
from glasshouse.kernel.jobs import environment, failures, folders, instances, outputs, phases
from glasshouse.kernel.jobs.folders import Attempt
from glasshouse.kernel.jobs.phases import Ending, Followed, Patch
from glasshouse.kernel.ports import Exited, Host, Job, Mount, Network
from glasshouse.kernel.records import Record

LOG_GROUP = "/aws/sagemaker/TransformJobs"
DRIVER = ("python", "-m", "glasskit.container", "batch")
MODEL = "_model"
RECORDS_FAILED = 3
"""The driver's exit status when some records failed and the others were written."""


def _make_ready(record: Record, context: Context) -> None:
    images = context.ports.images
    images.environment(images.resolve(record.doc[MODEL]["container"]["Image"]))


def _lay_out(record: Record, context: Context, attempt: Attempt) -> None:
    """The model, the host's share of the input files, and the driver's orders."""
    outputs.check_place(context, record.doc["TransformOutput"]["S3OutputPath"])
    container, store = record.doc[MODEL]["container"], attempt.root / "model"
    hosting.fetch(container, store, context)
    hosts = _hosts(record)
    source = record.doc["TransformInput"]["DataSource"]["S3DataSource"]
    for index, host in enumerate(hosts):
        place = hosting.Place(folder=attempt.root / host, name=host, log=_log(record, context, attempt, host))
        hosting.lay_out(container, store, place)
        transform = attempt.opt_ml(host) / "transform"
        (transform / "output").mkdir(parents=True)
        (transform / "input").mkdir()
        base = objects.Place.of_uri(record.key.account, source["S3Uri"])
        found = context.ports.objects.select(base, kind=source["S3DataType"], shard=(index, len(hosts)))
        context.ports.objects.fetch(found, transform / "input")
        spec = _spec(record, context, [one.path for one in found])
        (transform / "spec.json").write_text(json.dumps(spec))


def _spec(record: Record, context: Context, files: list[str]) -> dict[str, Any]:
    doc = record.doc
    runtime = context.ports.images.resolve(doc[MODEL]["container"]["Image"])
    client = doc.get("ModelClientConfig", {})
    return {
        "files": files,
        "server": list(runtime.command["inference"]),
        "content_type": doc["TransformInput"].get("ContentType", ""),
        "compression": doc["TransformInput"]["CompressionType"],
        "split": doc["TransformInput"]["SplitType"],
        "accept": doc["TransformOutput"].get("Accept", ""),
        "assemble": doc["TransformOutput"]["AssembleWith"],
        "strategy": doc.get("BatchStrategy"),
        "max_payload_mb": doc.get("MaxPayloadInMB"),
        "max_concurrent": doc.get("MaxConcurrentTransforms"),
        "input_filter": doc["DataProcessing"]["InputFilter"],
        "output_filter": doc["DataProcessing"]["OutputFilter"],
        "join": doc["DataProcessing"]["JoinSource"],
        "timeout_s": client.get("InvocationsTimeoutInSeconds", 600),
        "retries": client.get("InvocationsMaxRetries", 3),
    }


def _job_of(record: Record, context: Context, attempt: Attempt) -> Job:
    return Job(
        id=f"{record.key.name}-{attempt.number}",
        hosts=tuple(_host(record, context, attempt, name) for name in _hosts(record)),
        run_dir=attempt.run,
        network=_network(record),
        limits=instances.limits_of(record.doc["TransformResources"]["InstanceType"], time_s=None),
    )


def _host(record: Record, context: Context, attempt: Attempt, name: str) -> Host:
    model = record.doc[MODEL]
    images = context.ports.images
    runtime = images.resolve(model["container"]["Image"])
    built = images.environment(runtime)
    network = _network(record)
    own = {"TRANSFORM_JOB_NAME": record.key.name, "TRANSFORM_JOB_ARN": record.arn, **_told(record)}
    if network == "host" and model["role"]:
        own |= environment.keys_for(
            context, model["role"], session=record.key.name, lifetime_s=hosting.KEYS_LIVE_S
        )
    env = environment.variables(
        context,
        runtime=runtime,
        environment=built,
        network=network,
        requested={**model["container"]["Environment"], **record.doc["Environment"]},
        own=own,
    )
    return Host(
        name=name,
        argv=DRIVER,
        env=env,
        mounts=(
            *environment.mounts(context, environment=built, network=network),
            Mount(source=attempt.opt_ml(name), target=hosting.OPT_ML, writable=True),
        ),
        log=_log(record, context, attempt, name),
        workdir=hosting.OPT_ML,
    )


def _told(record: Record) -> dict[str, str]:
    """What the container is told of the job: only what the caller set."""
    asked = {
        "SAGEMAKER_MAX_PAYLOAD_IN_MB": record.doc.get("MaxPayloadInMB"),
        "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": record.doc.get("MaxConcurrentTransforms"),
        "SAGEMAKER_BATCH_STRATEGY": {"MultiRecord": "MULTI_RECORD", "SingleRecord": "SINGLE_RECORD"}.get(
            record.doc.get("BatchStrategy", "")
        ),
    }
    return {
        "SAGEMAKER_BATCH": "true",
        **{name: str(value) for name, value in asked.items() if value is not None},
    }


def _entered(record: Record, context: Context, phase: str) -> Patch:
    if phase != "running":
        return {}
    return {"TransformStartTime": record.doc.get("TransformStartTime", context.ports.clock.now())}


def _follow(
    _record: Record, _context: Context, _attempt: Attempt, _memory: Patch, _final: bool
) -> Followed | None:
    return None


def _finish(record: Record, context: Context, attempt: Attempt, exited: Exited) -> Ending:
    """Records that failed do not take the others with them: what was written is published, and the job says so."""
    patch: dict[str, Any] = {"TransformEndTime": exited.ended_at}
    if exited.reason == "stopped" or record.status == "Stopping":
        return Ending(to="Stopped", patch=patch)
    if exited.code not in (0, RECORDS_FAILED):
        reason = _reason(record, context, attempt, exited)
        return Ending(to="Failed", patch={**patch, "FailureReason": reason}, reason=reason)
    place = outputs.place_of(context, record.doc["TransformOutput"]["S3OutputPath"])
    named = outputs.files(context, attempt, _hosts(record), ("transform", "output"), place)
    if exited.code == 0:
        return Ending(to="Completed", patch=patch, files=named)
    reason = _failed_records(record, attempt)
    return Ending(to="Failed", patch={**patch, "FailureReason": reason}, files=named, reason=reason)


def _stopped(_record: Record, context: Context) -> Ending:
    return Ending(to="Stopped", patch={"TransformEndTime": context.ports.clock.now()})


def _failed(_record: Record, context: Context, reason: str) -> Ending:
    patch = {"TransformEndTime": context.ports.clock.now(), "FailureReason": reason[: failures.LONGEST]}
    return Ending(to="Failed", patch=patch, reason=reason)


def _failed_records(record: Record, attempt: Attempt) -> str:
    """What the hosts say of records that failed."""
    said = [failures.said(attempt.inside(host, "output") / "failure") for host in _hosts(record)]
    return f"ClientError: {' '.join(text for text in said if text)}"[: failures.LONGEST]


def _reason(record: Record, context: Context, attempt: Attempt, exited: Exited) -> str:
    host = exited.host or _hosts(record)[0]
    return failures.reason_of(
        exited,
        failure_file=attempt.inside(host, "output") / "failure",
        log=_log(record, context, attempt, host),
        limits=instances.limits_of(record.doc["TransformResources"]["InstanceType"], time_s=None),
    )


def _hosts(record: Record) -> tuple[str, ...]:
    return folders.host_names(int(record.doc["TransformResources"]["InstanceCount"]))


def _network(record: Record) -> Network:
    return "none" if record.doc[MODEL]["isolated"] else "host"


def _log(record: Record, context: Context, attempt: Attempt, host: str) -> Path:
    epoch = int(record.created_at) + attempt.number - 1
    return context.logs.path_of(LOG_GROUP, f"{record.key.name}/{host}-{epoch}")


step = phases.step_of(
    phases.Plan(
        make_ready=_make_ready,
        lay_out=_lay_out,
        job_of=_job_of,
        entered=_entered,
        follow=_follow,
        finish=_finish,
        stopped=_stopped,
        failed=_failed,
    )
)
