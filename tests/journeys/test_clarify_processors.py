"""SageMakerClarifyProcessor of both versions of the SDK, unchanged, against a running server."""

import dataclasses

import pytest

from tests.journeys.conftest import Client

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
CLIENT = "sdk-v2"


@pytest.mark.parametrize("version", ["sdk-v2", "sdk-v3"])
def test_every_kind_of_analysis_runs_and_its_results_are_where_the_sdk_says(
    by_settings: Client, version: str, role: str
) -> None:
    told = dataclasses.replace(by_settings, name=version).run("clarify_analyses.py", role)
    assert "Bias: 1 group measured" in told
    assert "-- run_bias_and_explainability" in told
