"""Explaining endpoints by the SageMaker SDK in its third version, unchanged."""

import pytest

from tests.journeys.conftest import Client

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
CLIENT = "sdk-v3"


def test_the_shapes_of_an_explainer_are_deployed_and_asked(by_settings: Client, role: str) -> None:
    by_settings.run("v3/explaining.py", role)
