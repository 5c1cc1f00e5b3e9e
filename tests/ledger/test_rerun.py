"""What a model wrote when it was asked again is the work of somebody's code: nothing of it is followed or believed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from glasshouse.capabilities.govern import rerunning

ANSWER = '{"id": "a", "status": 200, "body": "1"}\n'


def test_answers_are_read_by_the_decisions_they_are_of(tmp_path: Path) -> None:
    (tmp_path / "answers").write_text(ANSWER)
    assert rerunning.read_answers(tmp_path / "answers") == {"a": {"id": "a", "status": 200, "body": "1"}}


def test_neither_a_link_nor_a_pipe_is_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(ANSWER)
    (tmp_path / "answers").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / "pipe")
    for name in ("answers", "pipe", "nothing"):
        with pytest.raises(OSError, match=r"no regular file|symbolic links|No such file"):
            rerunning.read_answers(tmp_path / name)


@pytest.mark.parametrize(
    "line",
    [
        "x",
        "[]",
        '{"id": "a"}',
        '{"id": [], "status": 200, "body": ""}',
        '{"id": "a", "status": "2", "body": ""}',
    ],
)
def test_what_is_no_answer_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "answers").write_text(f"{ANSWER}{line}\n")
    with pytest.raises(ValueError, match=r"else than answers|Expecting value"):
        rerunning.read_answers(tmp_path / "answers")
