"""The SageMaker SDK in its third version: it looks at the role through IAM before it does anything."""

import pytest

from tests.journeys.conftest import Client

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
CLIENT = "sdk-v3"


def test_a_model_trainer_trains(by_proxy: Client, code: str) -> None:
    by_proxy.run("v3/train.py", code)


def test_a_model_builder_deploys_and_a_transformer_scores(by_settings: Client, code: str, role: str) -> None:
    by_settings.run("v3/serve.py", code, role)


def test_every_resource_class_reads_its_answers(by_settings: Client, role: str) -> None:
    by_settings.run("v3/resources.py", role)
