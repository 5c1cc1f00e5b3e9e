"""One platform for all tests of capabilities in this process."""

from collections.abc import Iterator

import pytest

from tests.support import installation
from tests.support.workshop import Workshop


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    with installation.installed(tmp_path_factory.mktemp("platform") / "data") as server:
        yield Workshop(server)
