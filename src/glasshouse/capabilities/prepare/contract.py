"""The container contract of processing: what lies under /opt/ml, and how a host is started.

Source: SageMaker developer guide, "How Amazon SageMaker runs your processing container image".
"""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Any

from glasshouse.kernel import objects
from glasshouse.kernel.context import Context
from glasshouse.kernel.jobs import environment, folders, instances, outputs
from glasshouse.kernel.jobs.folders import Attempt
from glasshouse.kernel.ports import Environment, Host, Job, Mount, Network, Runtime
from glasshouse.kernel.records import Record

LOG_GROUP = "/aws/sagemaker/ProcessingJobs"
OPT_ML = "/opt/ml"
SHOWN_IN_CONFIG = (
    "ProcessingInputs",
    "ProcessingOutputConfig",
    "ProcessingResources",
    "RoleArn",
    "StoppingCondition",
    "AppSpecification",
    "NetworkConfig",
    "Environment",
)


def lay_out(record: Record, context: Context, attempt: Attempt) -> None:
    """Configuration, inputs and empty output folders for every host."""
    hosts = hosts_of(record)
    for one in record.doc["ProcessingOutputConfig"]["Outputs"]:
        outputs.check_place(context, one["S3Output"]["S3Uri"])
    for index, host in enumerate(hosts):
        root = attempt.opt_ml(host)
        for name in ("config", "output", "processing"):
            (root / name).mkdir(parents=True)
        _write(root / "config" / "processingjobconfig.json", _config(record))
        _write(root / "config" / "resourceconfig.json", {"current_host": host, "hosts": sorted(hosts)})
        _fetch_inputs(record, context, root, index, len(hosts))
        for one in record.doc["ProcessingOutputConfig"]["Outputs"]:
            root.joinpath(*below_opt_ml(one["S3Output"]["LocalPath"])).mkdir(parents=True, exist_ok=True)


def job_of(record: Record, context: Context, attempt: Attempt) -> Job:
    """The job as the executor runs it."""
    images = context.ports.images
    runtime = images.resolve(record.doc["AppSpecification"]["ImageUri"])
    built = images.environment(runtime)
    cluster = record.doc["ProcessingResources"]["ClusterConfig"]
    limit_s = float(record.doc["StoppingCondition"]["MaxRuntimeInSeconds"])
    return Job(
        id=f"{record.key.name}-{attempt.number}",
        hosts=tuple(_host(record, context, attempt, name, runtime, built) for name in hosts_of(record)),
        run_dir=attempt.run,
        network=network_of(record),
        limits=instances.limits_of(cluster["InstanceType"], time_s=limit_s),
    )


def hosts_of(record: Record) -> tuple[str, ...]:
    return folders.host_names(int(record.doc["ProcessingResources"]["ClusterConfig"]["InstanceCount"]))


def network_of(record: Record) -> Network:
    if not record.doc["NetworkConfig"]["EnableNetworkIsolation"]:
        return "host"
    return "job" if len(hosts_of(record)) > 1 else "none"


def log_of(record: Record, context: Context, attempt: Attempt, host: str) -> Path:
    """The log stream `<job>/<host>-<time>`; each attempt writes one of its own."""
    epoch = int(record.created_at) + attempt.number - 1
    return context.logs.path_of(LOG_GROUP, f"{record.key.name}/{host}-{epoch}")


def below_opt_ml(local: str) -> tuple[str, ...]:
    """The parts of a LocalPath below /opt/ml."""
    return PurePosixPath(local).relative_to(OPT_ML).parts


def _host(
    record: Record, context: Context, attempt: Attempt, name: str, runtime: Runtime, built: Environment
) -> Host:
    app = record.doc["AppSpecification"]
    entry = tuple(app.get("ContainerEntrypoint", ())) or runtime.command["processing"]
    network = network_of(record)
    lifetime_s = float(record.doc["StoppingCondition"]["MaxRuntimeInSeconds"])
    keys = environment.keys_for(
        context, record.doc["RoleArn"], session=record.key.name, lifetime_s=lifetime_s
    )
    env = environment.variables(
        context,
        runtime=runtime,
        environment=built,
        network=network,
        requested=record.doc["Environment"],
        own={
            **(keys if network == "host" else {}),
            "PROCESSING_JOB_NAME": record.key.name,
            "PROCESSING_JOB_ARN": record.arn,
        },
    )
    return Host(
        name=name,
        argv=(*entry, *app.get("ContainerArguments", ())),
        env=env,
        mounts=(
            *environment.mounts(context, environment=built, network=network),
            Mount(source=attempt.opt_ml(name), target=OPT_ML, writable=True),
        ),
        log=log_of(record, context, attempt, name),
        workdir=OPT_ML,
    )


def _config(record: Record) -> dict[str, Any]:
    shown = {member: record.doc.get(member) for member in SHOWN_IN_CONFIG}
    entry = {"ContainerEntrypoint": None, "ContainerArguments": None, **record.doc["AppSpecification"]}
    return {
        "ProcessingJobArn": record.arn,
        "ProcessingJobName": record.key.name,
        **shown,
        "AppSpecification": entry,
    }


def _fetch_inputs(record: Record, context: Context, root: Path, index: int, count: int) -> None:
    service = context.ports.objects
    for one in record.doc["ProcessingInputs"]:
        source = one["S3Input"]
        sharded = source.get("S3DataDistributionType") == "ShardedByS3Key"
        found = service.select(
            objects.Place.of_uri(record.key.account, source["S3Uri"]),
            kind=source["S3DataType"],
            shard=(index, count) if sharded else (0, 1),
        )
        folder = root.joinpath(*below_opt_ml(source["LocalPath"]))
        folder.mkdir(parents=True, exist_ok=True)
        service.fetch(found, folder)


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value))
