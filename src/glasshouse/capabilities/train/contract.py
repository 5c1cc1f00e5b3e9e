"""The container contract of training: what lies under /opt/ml, and how a host is started.

Source: SageMaker developer guide, "How SageMaker runs your training image".
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from glasshouse.kernel import objects
from glasshouse.kernel.context import Context
from glasshouse.kernel.jobs import environment, folders, instances, outputs
from glasshouse.kernel.jobs.folders import Attempt
from glasshouse.kernel.ports import Environment, Host, Job, Mount, Network, Runtime
from glasshouse.kernel.records import Record

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
OPT_ML = "/opt/ml"
GROUP = "homogeneousCluster"
GRACE_S = 120.0
"""How long after SIGTERM a job may go on, to save its model. Source: StopTrainingJob, API reference."""


def lay_out(record: Record, context: Context, attempt: Attempt) -> None:
    """Configuration, inputs and checkpoints for every host."""
    hosts = hosts_of(record)
    outputs.check_place(context, record.doc["OutputDataConfig"]["S3OutputPath"])
    for index, host in enumerate(hosts):
        root = attempt.opt_ml(host)
        for name in ("input/config", "input/data", "model", "output/data", "code"):
            (root / name).mkdir(parents=True)
        config = root / "input" / "config"
        _write(config / "hyperparameters.json", record.doc["HyperParameters"])
        _write(config / "inputdataconfig.json", _channels(record))
        _write(config / "resourceconfig.json", _resources(record, host, hosts))
        if "CheckpointConfig" in record.doc:
            _write(config / "checkpointconfig.json", {"LocalPath": checkpoint_path(record)})
            _fetch_checkpoints(record, context, checkpoint_folder(record, attempt, host))
        _fetch_channels(record, context, root, index, len(hosts))


def job_of(record: Record, context: Context, attempt: Attempt) -> Job:
    """The job as the executor runs it."""
    images = context.ports.images
    runtime = images.resolve(record.doc["AlgorithmSpecification"]["TrainingImage"])
    built = images.environment(runtime)
    limit_s = float(record.doc["StoppingCondition"]["MaxRuntimeInSeconds"])
    return Job(
        id=f"{record.key.name}-{attempt.number}",
        hosts=tuple(_host(record, context, attempt, name, runtime, built) for name in hosts_of(record)),
        run_dir=attempt.run,
        network=network_of(record),
        limits=dataclasses.replace(
            instances.limits_of(record.doc["ResourceConfig"]["InstanceType"], time_s=limit_s), grace_s=GRACE_S
        ),
    )


def hosts_of(record: Record) -> tuple[str, ...]:
    return folders.host_names(int(record.doc["ResourceConfig"]["InstanceCount"]))


def network_of(record: Record) -> Network:
    if not record.doc["EnableNetworkIsolation"]:
        return "host"
    return "job" if len(hosts_of(record)) > 1 else "none"


def log_of(record: Record, context: Context, attempt: Attempt, host: str) -> Path:
    """The log stream `<job>/<host>-<time>`; each attempt writes one of its own."""
    epoch = int(record.created_at) + attempt.number - 1
    return context.logs.path_of(LOG_GROUP, f"{record.key.name}/{host}-{epoch}")


def checkpoint_path(record: Record) -> str:
    """Where the job sees its checkpoints: LocalPath, by default /opt/ml/checkpoints."""
    path: str = record.doc["CheckpointConfig"].get("LocalPath", f"{OPT_ML}/checkpoints")
    return path.rstrip("/")


def checkpoint_folder(record: Record, attempt: Attempt, host: str) -> Path:
    """Where a host's checkpoints lie on this machine."""
    local = Path(checkpoint_path(record))
    if local.is_relative_to(OPT_ML):
        return attempt.inside(host, *local.relative_to(OPT_ML).parts)
    return attempt.root / host / "checkpoints"


def _host(
    record: Record, context: Context, attempt: Attempt, name: str, runtime: Runtime, built: Environment
) -> Host:
    algorithm = record.doc["AlgorithmSpecification"]
    entry = tuple(algorithm.get("ContainerEntrypoint", ())) or runtime.command["training"]
    network = network_of(record)
    keys = environment.keys_for(
        context,
        record.doc["RoleArn"],
        session=record.key.name,
        lifetime_s=float(record.doc["StoppingCondition"]["MaxRuntimeInSeconds"]),
    )
    env = environment.variables(
        context,
        runtime=runtime,
        environment=built,
        network=network,
        requested=record.doc.get("Environment", {}),
        own={
            **(keys if network == "host" else {}),
            "TRAINING_JOB_NAME": record.key.name,
            "TRAINING_JOB_ARN": record.arn,
        },
    )
    return Host(
        name=name,
        argv=(*entry, *algorithm.get("ContainerArguments", ())),
        env=env,
        mounts=(
            *environment.mounts(context, environment=built, network=network),
            *_mounts(record, attempt, name),
        ),
        log=log_of(record, context, attempt, name),
        workdir=OPT_ML,
    )


def _mounts(record: Record, attempt: Attempt, host: str) -> tuple[Mount, ...]:
    mounts = [Mount(source=attempt.opt_ml(host), target=OPT_ML, writable=True)]
    if "CheckpointConfig" in record.doc and not Path(checkpoint_path(record)).is_relative_to(OPT_ML):
        folder = checkpoint_folder(record, attempt, host)
        mounts.append(Mount(source=folder, target=checkpoint_path(record), writable=True))
    return tuple(mounts)


def _channels(record: Record) -> dict[str, Any]:
    mode = record.doc["AlgorithmSpecification"]["TrainingInputMode"]
    return {
        channel["ChannelName"]: {
            "TrainingInputMode": channel.get("InputMode", mode),
            "S3DistributionType": _source(channel).get("S3DataDistributionType", "FullyReplicated"),
            "RecordWrapperType": channel.get("RecordWrapperType", "None"),
            **({"ContentType": channel["ContentType"]} if "ContentType" in channel else {}),
        }
        for channel in record.doc["InputDataConfig"]
    }


def _resources(record: Record, host: str, hosts: tuple[str, ...]) -> dict[str, Any]:
    instance_type = record.doc["ResourceConfig"]["InstanceType"]
    group = {"instance_group_name": GROUP, "instance_type": instance_type, "hosts": sorted(hosts)}
    return {
        "current_host": host,
        "current_instance_type": instance_type,
        "current_group_name": GROUP,
        "hosts": sorted(hosts),
        "instance_groups": [group],
        "network_interface_name": "lo" if len(hosts) == 1 else "eth0",
    }


def _fetch_channels(record: Record, context: Context, root: Path, index: int, count: int) -> None:
    service = context.ports.objects
    for channel in record.doc["InputDataConfig"]:
        source = _source(channel)
        sharded = source.get("S3DataDistributionType") == "ShardedByS3Key"
        found = service.select(
            objects.Place.of_uri(record.key.account, source["S3Uri"]),
            kind=source["S3DataType"],
            shard=(index, count) if sharded else (0, 1),
        )
        folder = root / "input" / "data" / channel["ChannelName"]
        folder.mkdir()
        service.fetch(found, folder)


def _fetch_checkpoints(record: Record, context: Context, folder: Path) -> None:
    """What an earlier attempt, or an earlier job with the same checkpoint address, had saved."""
    folder.mkdir(parents=True, exist_ok=True)
    service = context.ports.objects
    uri = record.doc["CheckpointConfig"]["S3Uri"]
    outputs.check_place(context, uri)
    place = objects.Place.of_uri(record.key.account, uri)
    below = dataclasses.replace(place, key=f"{place.key.rstrip('/')}/" if place.key else "")
    if next(iter(service.every(below)), None) is not None:
        service.fetch(service.select(below, kind="S3Prefix", shard=(0, 1)), folder)


def _source(channel: Mapping[str, Any]) -> Mapping[str, Any]:
    source: Mapping[str, Any] = channel["DataSource"]["S3DataSource"]
    return source


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value))
