"""A running platform and the things tests do with it: jobs, models, endpoints, objects. Everything goes over the wire."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import io
import itertools
import tarfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt
from botocore import exceptions

from tests.support.installation import Installation

REGISTRY = "811284229777.dkr.ecr.us-east-1.amazonaws.com"
XGBOOST = f"{REGISTRY}/xgboost:latest"
LIGHTGBM = f"{REGISTRY}/lightgbm:latest"
SKLEARN = f"{REGISTRY}/sagemaker-scikit-learn:1.2-1-cpu-py3"
INSTANCE = "ml.m5.large"
ENDED = ("Completed", "Failed", "Stopped")
POLL_S = 0.05

Document = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Refusal:
    """What a client saw of an error."""

    code: str
    status: int
    message: str
    response: Mapping[str, Any]


def refusal(error: exceptions.ClientError) -> Refusal:
    return Refusal(
        code=error.response["Error"]["Code"],
        status=error.response["ResponseMetadata"]["HTTPStatusCode"],
        message=error.response["Error"].get("Message", ""),
        response=error.response,
    )


def archive(files: Mapping[str, str | bytes]) -> bytes:
    """A gzipped tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as packed:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o644
            packed.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def unpacked(data: bytes) -> dict[str, bytes]:
    """The files of an archive."""
    with tarfile.open(fileobj=io.BytesIO(data)) as packed:
        members = {member.name: packed.extractfile(member) for member in packed if member.isfile()}
        return {name: file.read() for name, file in members.items() if file is not None}


def table(n_rows: int, *, seed: int = 0, n_features: int = 5) -> npt.NDArray[np.float64]:
    """A small binary problem: the label first, then features of a few digits."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(n_rows, n_features)).round(4)
    label = (features[:, 0] + features[:, 1] * features[:, 2] > 0).astype(float)
    return np.column_stack([label, features])


def as_csv(rows: npt.NDArray[np.float64]) -> bytes:
    return "".join(",".join(f"{value:g}" for value in row) + "\n" for row in rows).encode()


class Workshop:
    """One server, one bucket, clients for everything."""

    def __init__(self, server: Installation, *, bucket: str = "workshop") -> None:
        self.server = server
        self.bucket = bucket
        self._numbers = itertools.count(1)
        self.s3.create_bucket(Bucket=bucket)

    s3 = functools.cached_property(lambda self: self.server.client("s3"))
    sagemaker = functools.cached_property(lambda self: self.server.client("sagemaker"))
    runtime = functools.cached_property(lambda self: self.server.client("sagemaker-runtime"))
    logs = functools.cached_property(lambda self: self.server.client("logs"))
    sts = functools.cached_property(lambda self: self.server.client("sts"))
    iam = functools.cached_property(lambda self: self.server.client("iam"))

    @property
    def account(self) -> str:
        return str(self.server.told()["account"])

    @property
    def role(self) -> str:
        return f"arn:aws:iam::{self.account}:role/Worker"

    def name(self, kind: str = "thing") -> str:
        """A name that no other test has."""
        return f"{kind}-{next(self._numbers)}"

    def folder_of(self, kind: str, name: str) -> Path:
        """Where the server works on a resource."""
        return self.server.data / "jobs" / self.account / str(self.server.told()["region"]) / kind / name

    # --- objects

    def put(self, key: str, content: bytes | str) -> str:
        """Stores an object; its address."""
        data = content.encode() if isinstance(content, str) else content
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=data)
        return f"s3://{self.bucket}/{key}"

    def put_all(self, files: Mapping[str, bytes | str]) -> str:
        """Stores files below a prefix of their own; the prefix's address."""
        prefix = self.name("data")
        for name, content in files.items():
            self.put(f"{prefix}/{name}", content)
        return f"s3://{self.bucket}/{prefix}"

    def get(self, uri: str) -> bytes:
        found = urlsplit(uri)
        answer = self.s3.get_object(Bucket=found.netloc, Key=found.path.lstrip("/"))
        return bytes(answer["Body"].read())

    def keys(self, uri: str) -> list[str]:
        """The keys below an address, without the address."""
        found = urlsplit(uri)
        prefix = found.path.strip("/") + "/"
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=found.netloc, Prefix=prefix)
        return [one["Key"].removeprefix(prefix) for page in pages for one in page.get("Contents", [])]

    # --- waiting

    def until(self, look: Callable[[], Any], *, within_s: float = 60.0, what: str = "it") -> Any:
        """What `look` answers once that is true."""
        deadline = time.monotonic() + within_s
        while not (found := look()):
            assert time.monotonic() < deadline, f"{what} did not happen within {within_s:g} s"
            time.sleep(POLL_S)
        return found

    @contextlib.contextmanager
    def refused(self, code: str = "ValidationException", *saying: str) -> Iterator[None]:
        """The call inside must be refused with the code, in words that hold all of `saying`."""
        try:
            yield
        except exceptions.ClientError as error:
            found = refusal(error)
            assert found.code == code, found
            assert all(words in found.message for words in saying), found.message
        else:
            raise AssertionError(f"nothing was refused; {code} was expected")

    # --- training

    def channel(self, name: str, uri: str, **more: Any) -> Document:
        source = {
            "S3DataType": more.pop("S3DataType", "S3Prefix"),
            "S3Uri": uri,
            "S3DataDistributionType": more.pop("S3DataDistributionType", "FullyReplicated"),
        }
        return {"ChannelName": name, "DataSource": {"S3DataSource": source}, **more}

    def training_request(self, **changes: Any) -> Document:
        """A CreateTrainingJob request; a change of None takes a member away."""
        name = self.name("train")
        request = {
            "TrainingJobName": name,
            "AlgorithmSpecification": {"TrainingImage": SKLEARN, "TrainingInputMode": "File"},
            "RoleArn": self.role,
            "OutputDataConfig": {"S3OutputPath": f"s3://{self.bucket}/out"},
            "ResourceConfig": {"InstanceType": INSTANCE, "InstanceCount": 1, "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 120},
            **changes,
        }
        return {member: value for member, value in request.items() if value is not None}

    def program(self, code: str, *, channels: list[Document] | None = None, **changes: Any) -> Document:
        """A training request whose container runs `code` as Python, with nothing of ours around it."""
        uri = self.put_all({"main.py": code})
        algorithm = {
            "TrainingImage": SKLEARN,
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["python", "-u", "/opt/ml/input/data/program/main.py"],
            **changes.pop("AlgorithmSpecification", {}),
        }
        return self.training_request(
            AlgorithmSpecification=algorithm,
            InputDataConfig=[self.channel("program", uri), *(channels or [])],
            **changes,
        )

    def start_training(self, request: Document) -> str:
        self.sagemaker.create_training_job(**request)
        return str(request["TrainingJobName"])

    def training(self, name: str) -> Document:
        found: Document = self.sagemaker.describe_training_job(TrainingJobName=name)
        return found

    def trained(self, name: str, *, within_s: float = 90.0) -> Document:
        """The job once it has ended."""

        def look() -> Document | None:
            found = self.training(name)
            return found if found["TrainingJobStatus"] in ENDED else None

        ended: Document = self.until(look, within_s=within_s, what=f"the end of {name}")
        return ended

    def train(self, request: Document, *, expect: str = "Completed") -> Document:
        """Runs the job to its end, which must be the one expected."""
        found = self.trained(self.start_training(request))
        assert found["TrainingJobStatus"] == expect, (found.get("FailureReason"), self.log_of(found))
        return found

    def log_of(self, job: Document) -> str:
        return self.log("TrainingJobs", job["TrainingJobName"])

    def log(self, group: str, prefix: str) -> str:
        """All lines of the streams of one job, in the order of time."""
        try:
            pages = self.logs.get_paginator("filter_log_events").paginate(
                logGroupName=f"/aws/sagemaker/{group}", logStreamNamePrefix=f"{prefix}/"
            )
            return "\n".join(event["message"] for page in pages for event in page["events"])
        except exceptions.ClientError as error:
            return str(error)

    def running(self, name: str, word: str) -> None:
        """Waits until the job has logged the word."""
        self.until(lambda: word in self.log("TrainingJobs", name), what=f"{word!r} in the log of {name}")

    # --- models and endpoints

    def model(self, data: bytes | None, *, image: str = SKLEARN, **changes: Any) -> str:
        """Creates a model of an archive; its name."""
        name = self.name("model")
        container: Document = {"Image": image, **changes.pop("container", {})}
        if data is not None:
            container["ModelDataUrl"] = self.put(f"{name}/model.tar.gz", data)
        self.sagemaker.create_model(
            ModelName=name, PrimaryContainer=container, ExecutionRoleArn=self.role, **changes
        )
        return name

    def served(self, code: str, *, files: Mapping[str, str | bytes] | None = None, **changes: Any) -> str:
        """Creates a model whose code/inference.py is `code`; its name."""
        return self.model(archive({"code/inference.py": code, **(files or {})}), **changes)

    def variant(self, model: str, **changes: Any) -> Document:
        return {
            "VariantName": "AllTraffic",
            "ModelName": model,
            "InitialInstanceCount": 1,
            "InstanceType": INSTANCE,
            "InitialVariantWeight": 1,
            **changes,
        }

    def config(self, *variants: Document) -> str:
        """Creates an endpoint configuration; its name."""
        name = self.name("config")
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=list(variants))
        return name

    def start_endpoint(self, *variants: Document) -> str:
        name = self.name("endpoint")
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=self.config(*variants))
        return name

    def endpoint(self, name: str) -> Document:
        found: Document = self.sagemaker.describe_endpoint(EndpointName=name)
        return found

    def settled(self, name: str, *, within_s: float = 60.0) -> Document:
        """The endpoint once it is on its way to nowhere."""

        def look() -> Document | None:
            found = self.endpoint(name)
            return found if found["EndpointStatus"] in ("InService", "Failed") else None

        found: Document = self.until(look, within_s=within_s, what=f"{name} in service")
        return found

    def deployed(self, *variants: Document) -> str:
        """An endpoint in service; its name."""
        name = self.start_endpoint(*variants)
        found = self.settled(name)
        assert found["EndpointStatus"] == "InService", found.get("FailureReason")
        return name

    def invoke(self, name: str, body: bytes | str, **changes: Any) -> bytes:
        answer = self.runtime.invoke_endpoint(
            EndpointName=name, Body=body, **{"ContentType": "text/csv", **changes}
        )
        return bytes(answer["Body"].read())

    def gone(self, name: str) -> None:
        """Deletes an endpoint and waits until nothing of it is left."""
        self.sagemaker.delete_endpoint(EndpointName=name)
        self.until(lambda: self._is_gone(name), what=f"the end of {name}")

    def _is_gone(self, name: str) -> bool:
        try:
            self.endpoint(name)
        except exceptions.ClientError as error:
            if refusal(error).code != "ValidationException":
                raise
            return True
        return False
