"""What jobs share: metrics read off logs, archives with one digest, instance types, refusals by name."""

import json
import math
import os
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glasshouse.kernel import errors
from glasshouse.kernel.jobs import archives, failures, instances, metrics
from glasshouse.kernel.unsupported import Unsupported, refuse
from tests.support import workshop as shop

LOSS = [{"Name": "loss", "Regex": r"loss=(\S+)"}]


def logged(path: Path, *messages: str, unfinished: str = "") -> Path:
    lines = [json.dumps({"t": 1000 * i, "m": message}) for i, message in enumerate(messages)]
    path.write_text("".join(line + "\n" for line in lines) + unfinished)
    return path


@given(values=st.lists(st.floats() | st.sampled_from(["none", ""]), max_size=8), cut=st.integers(0, 8))
def test_scans_that_follow_one_another_find_what_one_scan_finds(
    tmp_path: Path, values: list[float | str], cut: int
) -> None:
    messages = [f"epoch loss={value}" for value in values]
    whole = metrics.scan(logged(tmp_path / "whole", *messages), LOSS, 0, budget_s=60)
    path = logged(tmp_path / "parts", *messages[:cut], unfinished='{"t": 1, "m": "loss=7')
    first = metrics.scan(path, LOSS, 0, budget_s=60)
    logged(path, *messages)
    second = metrics.scan(path, LOSS, first.offset, budget_s=60)
    assert {**first.latest, **second.latest} == whole.latest
    assert second.offset == whole.offset == path.stat().st_size
    finite = [value for value in values if isinstance(value, float) and math.isfinite(value)]
    assert [value for value, _ in whole.latest.values()] == finite[-1:]


def test_an_expression_that_never_ends_is_given_up_and_the_others_go_on(tmp_path: Path) -> None:
    path = logged(tmp_path / "log", *["x" * 5000 for _ in range(50)], "loss=1")
    began = time.monotonic()
    scan = metrics.scan(path, [{"Name": "evil", "Regex": "(x+x+)+y"}, *LOSS], 0, budget_s=60)
    assert scan.latest == {"loss": (1.0, 50.0)}
    assert time.monotonic() - began < 10 * metrics.MATCH_TIMEOUT_S


def test_a_scan_keeps_to_its_budget_and_says_where_it_ended(tmp_path: Path) -> None:
    path = logged(tmp_path / "log", "loss=1", "loss=2")
    scan = metrics.scan(path, LOSS, 0, budget_s=-1)
    assert (scan.latest, scan.offset) == ({}, 0)


def test_an_archive_has_the_same_bytes_whenever_it_is_made_and_only_plain_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = []
    for name in ("one", "two"):
        folder = tmp_path / name
        (folder / "deep").mkdir(parents=True)
        (folder / "deep" / "file").write_text("content")
        (folder / "run.sh").write_text("#!/bin/sh")
        (folder / "run.sh").chmod(0o700)
        (folder / "link").symlink_to("/etc/passwd")
        (folder / "linked").symlink_to("/etc")
        os.mkfifo(folder / "pipe")
        with socket.socket(socket.AF_UNIX) as listening:
            monkeypatch.chdir(folder)  # a socket's path must be short
            listening.bind("socket")
        os.utime(folder / "run.sh", (0, len(packed)))
        packed.append(archives.packed([folder], tmp_path / f"{name}.tar.gz").read_bytes())
    assert packed[0] == packed[1]
    assert shop.unpacked(packed[0]) == {"deep/file": b"content", "run.sh": b"#!/bin/sh"}
    archives.unpacked(tmp_path / "one.tar.gz", tmp_path / "out")
    assert os.access(tmp_path / "out" / "run.sh", os.X_OK)


def test_of_files_of_one_name_the_first_folders_is_taken(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "same").write_text(name)
        (tmp_path / name / name).write_text(name)
    packed = archives.packed([tmp_path / "one", tmp_path / "two"], tmp_path / "a.tar.gz").read_bytes()
    assert shop.unpacked(packed) == {"same": b"one", "one": b"one", "two": b"two"}


@pytest.mark.parametrize(
    ("instance_type", "cpus", "gib"),
    [
        ("ml.t3.medium", 2, 4),
        ("ml.m5.large", 2, 8),
        ("ml.m4.xlarge", 4, 16),
        ("ml.c5.xlarge", 4, 8),
        ("ml.c5n.2xlarge", 8, 16),
        ("ml.r5.4xlarge", 16, 128),
        ("ml.m4.10xlarge", 40, 160),
    ],
)
def test_an_instance_type_says_how_large_a_host_is(instance_type: str, cpus: int, gib: int) -> None:
    found = instances.limits_of(instance_type, time_s=None)
    assert (found.cpus, found.memory_bytes) == (cpus, gib * 2**30)


@pytest.mark.parametrize("instance_type", ["local", "ml.m5.metal", "ml.m5.huge", "m5.large", ""])
def test_an_instance_type_whose_size_cannot_be_told_is_refused(instance_type: str) -> None:
    with pytest.raises(errors.Validation, match="InstanceType"):
        instances.limits_of(instance_type, time_s=None)


TABLE = (
    Unsupported(path="A.B", accepts=("", 0)),
    Unsupported(path="List[].C"),
    Unsupported(path="List[].Deep[].D", why="is not wanted"),
)


@pytest.mark.parametrize(
    ("request_", "problems"),
    [
        ({}, ""),
        ({"A": {"B": ""}, "List": []}, ""),
        ({"A": None}, ""),
        ({"A": {"B": 1}}, "A.B is not supported by this server."),
        (
            {"List": [{}, {"C": 1, "Deep": [{"D": 2}]}]},
            "List[1].C is not supported by this server; List[1].Deep[0].D is not wanted.",
        ),
    ],
)
def test_every_member_asked_for_in_vain_is_named(request_: dict[str, Any], problems: str) -> None:
    if not problems:
        refuse(request_, TABLE)
        return
    with pytest.raises(errors.Validation) as caught:
        refuse(request_, TABLE)
    assert caught.value.message == problems


def test_the_end_of_a_text_is_kept_in_whole_lines() -> None:
    assert failures.ended("short", 10) == "short"
    assert failures.ended("first line\nsecond line\nlast", 20) == "second line\nlast"
    assert failures.ended("x" * 30, 10) == "x" * 10
