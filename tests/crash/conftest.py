"""Every crash test starts with a running rig."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.crash import rig as rigs


@pytest.fixture(params=range(rigs.RUNS), ids=lambda number: f"run{number}")
def rig(request: pytest.FixtureRequest) -> Iterator[rigs.Rig]:
    with rigs.rigged() as one:
        yield one
