"""Settings: what is not known is refused, and so is what cannot be."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from glasshouse.kernel import settings
from glasshouse.kernel.settings import Settings


def test_defaults_stand_without_any_variable() -> None:
    found = Settings.read(environ={"HOME": "/h", "PATH": "/bin"})
    assert (found.host, found.port, found.account, found.region) == (
        "127.0.0.1",
        8400,
        "000000000000",
        "us-east-1",
    )
    assert found.is_loopback
    assert not found.insecure
    assert found.unsandboxed_jobs == ""


def test_variables_are_read_and_options_win_over_them() -> None:
    environ = {
        "GLASSHOUSE_PORT": "1234",
        "GLASSHOUSE_DATA": "/somewhere/../else",
        "GLASSHOUSE_INSECURE": "yes",
        "GLASSHOUSE_LEASE_S": "2.5",
        "GLASSHOUSE_TEST_ANYTHING": "is ours",
    }
    found = Settings.read({"port": 99, "host": None}, environ=environ)
    assert (found.port, found.host, found.data) == (99, "127.0.0.1", Path("/else"))
    assert (found.insecure, found.lease_s) == (True, 2.5)


@pytest.mark.parametrize("variable", ["GLASSHOUSE_PROT", "GLASSHOUSE_", "GLASSHOUSE_JOB_ENVIRONMENT"])
def test_an_unknown_variable_is_refused_by_name(variable: str) -> None:
    with pytest.raises(settings.UnknownSetting, match=f"^{variable} is not a setting"):
        Settings.read(environ={variable: "1"})


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("GLASSHOUSE_PORT", "http"),
        ("GLASSHOUSE_PORT", ""),
        ("GLASSHOUSE_PORT", "65536"),
        ("GLASSHOUSE_PORT", "-1"),
        ("GLASSHOUSE_INSECURE", "perhaps"),
        ("GLASSHOUSE_LEASE_S", "soon"),
        ("GLASSHOUSE_LEASE_S", "0"),
        ("GLASSHOUSE_LEASE_S", "nan"),
        ("GLASSHOUSE_LEASE_S", "inf"),
        ("GLASSHOUSE_DRAIN_S", "-1"),
        ("GLASSHOUSE_WORKERS", "0"),
        ("GLASSHOUSE_WORKERS", "2.5"),
        ("GLASSHOUSE_ACCOUNT", "12345"),
        ("GLASSHOUSE_ACCOUNT", "12345678901\N{ARABIC-INDIC DIGIT TWO}"),
        ("GLASSHOUSE_REGION", "mars"),
        ("GLASSHOUSE_REGION", ""),
        ("GLASSHOUSE_UNSANDBOXED_JOBS", "true"),
        ("GLASSHOUSE_TLS_KEY", "key-without-certificate.pem"),
        ("GLASSHOUSE_DATA", ""),
    ],
)
def test_a_bad_value_is_refused_by_the_name_of_its_variable(variable: str, value: str) -> None:
    with pytest.raises(settings.BadSetting, match=f"^{variable} "):
        Settings.read(environ={variable: value})


def test_a_region_of_every_partition_is_taken() -> None:
    for region in ("eu-central-1", "us-gov-west-1", "cn-north-1", "us-isob-east-1", "ap-southeast-7"):
        assert Settings.read(environ={"GLASSHOUSE_REGION": region}).region == region


def test_jobs_inherit_only_what_reaches_a_package_index() -> None:
    environ = {"PIP_INDEX_URL": "https://index", "SECRET": "s", "AWS_SECRET_ACCESS_KEY": "k"}
    assert Settings.read(environ=environ).job_environment == {"PIP_INDEX_URL": "https://index"}


def test_every_setting_is_explained_in_one_sentence() -> None:
    for field in dataclasses.fields(Settings):
        assert field.metadata["help"].endswith("."), field.name
