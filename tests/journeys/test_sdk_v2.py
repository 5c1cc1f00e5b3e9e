"""The SageMaker SDK in its second version, 2.257: the code that its users have, unchanged."""

import re

import pytest

from tests.journeys.conftest import SDK, Client

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
CLIENT = "sdk-v2"


def test_the_decks_own_code_trains_deploys_and_predicts(by_proxy: Client) -> None:
    told = by_proxy.run("v2/deck.py")
    fitted = told[: told.index("-- the log again")]
    statuses = re.findall(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (\w+) - (\S.*?)\.*$", fitted, re.MULTILINE)
    names = [name for name, _ in statuses]
    assert names[-1] == "Completed"
    assert sorted(names, key=["Starting", "Downloading", "Training", "Uploading", "Completed"].index) == names
    assert (
        len(re.findall(r"^\[\d+\]#011train-logloss:[\d.]+#011validation-logloss:", fitted, re.MULTILINE))
        == 25
    )
    assert re.search(r"^Training seconds: \d+$", fitted, re.MULTILINE)


def test_script_mode_trains_and_serves_a_users_code(by_settings: Client, code: str, role: str) -> None:
    told = by_settings.run("v2/script_mode.py", code, role)
    assert "Successfully installed salutation-1.0" in told
    assert "Reporting training SUCCESS" in told


def test_processors_run_scripts(by_settings: Client, code: str, role: str) -> None:
    told = by_settings.run("v2/processing.py", code, role)
    assert "the helper came along" in told


def test_batch_transform_and_the_registry_work_together(by_settings: Client, role: str) -> None:
    by_settings.run("v2/batch_and_registry.py", role)


def test_script_mode_knows_hosts_isolation_checkpoints_failures_and_stops(
    by_settings: Client, role: str
) -> None:
    told = by_settings.run("v2/frameworks.py", str(SDK / "code_xgboost"), role)
    assert {"host algo-1 of", "host algo-2 of"} <= set(re.findall(r"host algo-\d of", told))
    assert "Stopped - Training job stopped" in told
    assert "Managed Spot Training savings: 0.0%" in told
