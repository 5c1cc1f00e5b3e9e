"""Two platforms to compare: one with few training jobs, one with very many."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from glasshouse import app
from glasshouse.engines.store import blocks
from glasshouse.engines.store.tables import RESOURCE
from glasshouse.kernel import ids
from glasshouse.kernel.identity import Caller
from glasshouse.kernel.settings import Settings

ACCOUNT = "000000000000"
REGION = "us-east-1"
FIRST_AT = 1_700_000_000.0
"""When the first job was created; each of the others a second later."""
N_FAILED = 5
"""Jobs with the rare status, with a rare part of the name, and in each of the narrow ranges of time."""
CHUNK = 5_000

CALLER = Caller(
    account=ACCOUNT,
    region=REGION,
    arn=ids.Arn(f"arn:aws:sts::{ACCOUNT}:assumed-role/Benchmark/benchmark"),
    user_id="benchmark",
    access_key_id="ASIABENCHMARK",
    is_root=True,
)


def request(name: str) -> dict[str, Any]:
    """A CreateTrainingJob request of ordinary size."""
    return {
        "TrainingJobName": name,
        "AlgorithmSpecification": {
            "TrainingImage": f"683313688378.dkr.ecr.{REGION}.amazonaws.com/sagemaker-xgboost:1.7-1",
            "TrainingInputMode": "File",
        },
        "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/Scientist",
        "HyperParameters": {
            "num_round": "100",
            "max_depth": "5",
            "eta": "0.2",
            "objective": "binary:logistic",
        },
        "InputDataConfig": [
            {
                "ChannelName": channel,
                "ContentType": "text/csv",
                "DataSource": {
                    "S3DataSource": {
                        "S3DataType": "S3Prefix",
                        "S3Uri": f"s3://credit/{channel}",
                        "S3DataDistributionType": "FullyReplicated",
                    }
                },
            }
            for channel in ("train", "validation")
        ],
        "OutputDataConfig": {"S3OutputPath": "s3://credit/models"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 30},
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    }


@dataclass(frozen=True, kw_only=True)
class Side:
    """A platform whose work loop stands still, and how many jobs it holds."""

    platform: app.Platform
    n_rows: int

    def call(self, operation: str, **body: Any) -> dict[str, Any]:
        return self.platform.registry.call("sagemaker", operation, body, CALLER)

    @property
    def last_at(self) -> float:
        return FIRST_AT + self.n_rows - 1


@contextlib.contextmanager
def side(folder: Path, *, n_rows: int, store_url: str = "") -> Iterator[Side]:
    settings = Settings(data=folder, store_url=store_url)
    platform = app.assemble(settings, endpoint_url=lambda: "http://127.0.0.1")
    try:
        filled = Side(platform=platform, n_rows=n_rows)
        _fill(filled)
        yield filled
    finally:
        platform.ports.store.close()


def name_of(n: int) -> str:
    """Names tell the order of creation, as those of SDKs do; a few have a part that no other has."""
    part = "zebra" if n % 7919 == 3 and n // 7919 < N_FAILED else "credit"
    return f"{part}-{2024 + n // 50_000}-{n:06}"


def _fill(filled: Side) -> None:
    filled.call("CreateTrainingJob", **request("template"))
    with filled.platform.ports.store.read() as view:
        template = next(one for one in _every(view) if one["name"] == "template")
    chance = random.Random(3)
    failed = {chance.randrange(filled.n_rows) for _ in range(N_FAILED)}
    for start in range(0, filled.n_rows, CHUNK):
        rows = [_row(template, n, failed) for n in range(start, min(start + CHUNK, filled.n_rows))]
        with filled.platform.ports.store.write() as tx:
            tx.connection.execute(sa.insert(RESOURCE), rows)  # type: ignore[attr-defined]
    with filled.platform.ports.store.write() as tx:
        blocks.fold(tx.connection)  # type: ignore[attr-defined]
    if filled.platform.settings.store_url:
        with filled.platform.ports.store.write() as tx:
            tx.connection.execute(sa.text("ANALYZE resource"))  # type: ignore[attr-defined]


def _every(view: Any) -> list[dict[str, Any]]:
    return [dict(row._mapping) for row in view.connection.execute(sa.select(RESOURCE))]


def _row(template: dict[str, Any], n: int, failed: set[int]) -> dict[str, Any]:
    name = name_of(n)
    row = {column: value for column, value in template.items() if column != "id"}
    return row | {
        "name": name,
        "arn": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/{name}",
        "status": "Failed" if n in failed else "Completed",
        "created": FIRST_AT + n,
        "modified": FIRST_AT + n + 600,
        "due": None,
        "doc": {**template["doc"], "TrainingJobName": name},
    }
