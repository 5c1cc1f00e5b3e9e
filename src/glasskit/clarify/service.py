"""The platform as the job needs it: objects, a model's archive, and an endpoint for as long as it is needed."""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore import config as botocore_config
from botocore import exceptions

from glasskit.clarify import config, faults

_POLL_S = 0.25
_SERVING_WITHIN_S = 1800.0
_ANSWER_WITHIN_S = 65.0
_LONGEST_NAME = 63
_OPTIONS = botocore_config.Config(
    retries={"mode": "standard", "max_attempts": 8}, read_timeout=_ANSWER_WITHIN_S
)

_FAILURES = (exceptions.ClientError, exceptions.BotoCoreError)

Say = Callable[[str], None]


class Platform:
    """Clients with the job's own keys and address, which boto3 finds in the environment. mark: makes names unique."""

    def __init__(self, *, mark: str, say: Say) -> None:
        self._mark = mark
        self._say = say

    @functools.cached_property
    def _models(self) -> Any:
        return boto3.client("sagemaker", config=_OPTIONS)

    @functools.cached_property
    def _runtime(self) -> Any:
        return boto3.client("sagemaker-runtime", config=_OPTIONS)

    @functools.cached_property
    def _objects(self) -> Any:
        return boto3.client("s3", config=_OPTIONS)

    # --- objects

    def fetch(self, uri: str, folder: Path) -> Path:
        """All objects at or below an address, in the folder. Raises BadDataset when there are none."""
        place = urlsplit(uri)
        prefix = place.path.lstrip("/")
        try:
            pages = self._objects.get_paginator("list_objects_v2").paginate(
                Bucket=place.netloc, Prefix=prefix
            )
            keys = [one["Key"] for page in pages for one in page.get("Contents", [])]
            wanted = [key for key in keys if key == prefix or key.startswith(_as_folder(prefix))]
            for key in wanted:
                target = folder / (key.removeprefix(_as_folder(prefix)) if key != prefix else Path(key).name)
                if not target.resolve().is_relative_to(folder.resolve()):
                    raise faults.BadDataset(
                        f"s3://{place.netloc}/{key} has a name that leads out of its folder."
                    )
                if not key.endswith("/"):
                    target.parent.mkdir(parents=True, exist_ok=True)
                    self._objects.download_file(place.netloc, key, str(target))
        except _FAILURES as exc:
            raise faults.BadDataset(f"{uri} cannot be read: {_said(exc)}") from exc
        if not wanted:
            raise faults.BadDataset(f"There is no object at {uri}.")
        return folder

    # --- models

    def model_data(self, model_name: str) -> str:
        """The address of a model's archive, "" when there is not exactly one."""
        try:
            found = self._models.describe_model(ModelName=model_name)
        except _FAILURES as exc:
            raise faults.BadConfig("predictor.model_name", f"{model_name!r}: {_said(exc)}") from exc
        containers = (
            [found["PrimaryContainer"]] if found.get("PrimaryContainer") else found.get("Containers", [])
        )
        if len(containers) != 1 or containers[0].get("Mode", "SingleModel") != "SingleModel":
            return ""
        return str(containers[0].get("ModelDataUrl", ""))

    def model_of(self, endpoint_name: str) -> str:
        """The model behind an endpoint of one variant, "" otherwise."""
        variants = self._settings_of(endpoint_name).get("ProductionVariants", [])
        return str(variants[0].get("ModelName", "")) if len(variants) == 1 else ""

    def _settings_of(self, endpoint_name: str) -> dict[str, Any]:
        try:
            endpoint = self._models.describe_endpoint(EndpointName=endpoint_name)
            found = self._models.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
        except _FAILURES as exc:
            raise faults.BadConfig("predictor.endpoint_name", f"{endpoint_name!r}: {_said(exc)}") from exc
        return dict(found)

    # --- endpoints

    @contextlib.contextmanager
    def serving(self, predictor: config.Predictor) -> Iterator[str]:
        """The name of an endpoint that answers: the one that is there, or one that is gone when the context ends."""
        if predictor.endpoint_name:
            if self._settings_of(predictor.endpoint_name).get("ExplainerConfig"):
                raise faults.BadConfig(
                    "predictor.endpoint_name",
                    f"{predictor.endpoint_name!r} explains its answers (ExplainerConfig), and an analysis needs the model's "
                    "own; give model_name, or an endpoint without an explainer.",
                )
            yield predictor.endpoint_name
            return
        settings, endpoint = self._names(predictor)
        try:
            self._say(f"Making the endpoint {endpoint} of the model {predictor.model_name}")
            self._create(predictor, settings, endpoint)
            self._wait(endpoint)
            yield endpoint
        finally:
            self._say(f"Taking the endpoint {endpoint} away")
            self._quietly(self._models.delete_endpoint, EndpointName=endpoint)
            self._quietly(self._models.delete_endpoint_config, EndpointConfigName=settings)

    def _names(self, predictor: config.Predictor) -> tuple[str, str]:
        """As Clarify names them: sm-clarify-config-..., sm-clarify-<model>-...."""
        begin = predictor.endpoint_prefix or f"sm-clarify-{predictor.model_name}"
        room = _LONGEST_NAME - len(self._mark) - 1
        return f"sm-clarify-config-{self._mark}", f"{begin[:room].rstrip('-')}-{self._mark}"

    def _create(self, predictor: config.Predictor, settings: str, endpoint: str) -> None:
        variant = {
            "VariantName": "AllTraffic",
            "ModelName": predictor.model_name,
            "InstanceType": predictor.instance_type,
            "InitialInstanceCount": predictor.n_instances,
            "InitialVariantWeight": 1.0,
        }
        try:
            self._models.create_endpoint_config(EndpointConfigName=settings, ProductionVariants=[variant])
            self._models.create_endpoint(EndpointName=endpoint, EndpointConfigName=settings)
        except _FAILURES as exc:
            raise faults.ModelFault(
                f"No endpoint can be made of the model {predictor.model_name} (predictor.model_name): {_said(exc)}"
            ) from exc

    def _wait(self, endpoint: str) -> None:
        deadline = time.monotonic() + _SERVING_WITHIN_S
        while time.monotonic() < deadline:
            try:
                found = self._models.describe_endpoint(EndpointName=endpoint)
            except _FAILURES as exc:
                raise faults.ModelFault(f"The endpoint {endpoint} cannot be looked at: {_said(exc)}") from exc
            if found["EndpointStatus"] == "InService":
                return
            if found["EndpointStatus"] == "Failed":
                raise faults.ModelFault(
                    f"The model does not serve, so nothing can be asked of it: {found.get('FailureReason', 'no reason given')}"
                )
            time.sleep(_POLL_S)
        raise faults.ModelFault(f"The endpoint {endpoint} did not serve within {_SERVING_WITHIN_S:g} s.")

    def invoke(self, endpoint: str, body: bytes, predictor: config.Predictor) -> bytes:
        """What the endpoint answers. Raises ModelFault with the model's own words."""
        more = {"CustomAttributes": predictor.custom_attributes} if predictor.custom_attributes else {}
        try:
            answer = self._runtime.invoke_endpoint(
                EndpointName=endpoint,
                Body=body,
                ContentType=predictor.content_type,
                Accept=predictor.accept_type,
                **more,
            )
            return bytes(answer["Body"].read())
        except _FAILURES as exc:
            raise faults.ModelFault(
                f"The model refused {predictor.content_type} (predictor.content_type, content_template): {_said(exc)}"
            ) from exc

    def _quietly(self, call: Callable[..., Any], **words: str) -> None:
        """Takes something away that may not be there."""
        try:
            call(**words)
        except _FAILURES as exc:
            if "Could not find" not in str(exc):
                self._say(f"{', '.join(words.values())} could not be taken away: {_said(exc)}")


def _as_folder(prefix: str) -> str:
    return prefix if not prefix or prefix.endswith("/") else f"{prefix}/"


def _said(error: Exception) -> str:
    """The platform's own sentence."""
    if isinstance(error, exceptions.NoCredentialsError | exceptions.EndpointConnectionError):
        return f"the platform cannot be reached ({error}); a job with network isolation cannot ask a model or read S3."
    response = getattr(error, "response", {})
    message = response.get("OriginalMessage") or response.get("Error", {}).get("Message")
    return str(message or error)
