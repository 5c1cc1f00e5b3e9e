"""Explaining endpoints by the SageMaker SDK in its second version, unchanged."""

import pytest

from tests.journeys.conftest import Client

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
CLIENT = "sdk-v2"


def test_an_explainer_config_of_the_sdk_is_deployed_and_asked(by_settings: Client, role: str) -> None:
    by_settings.run("v2/explaining.py", role)
