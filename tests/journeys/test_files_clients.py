"""pandas, s3fs and pyarrow keep their files here."""

import pytest

from tests.journeys.conftest import Client

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
CLIENT = "clients"


def test_pandas_s3fs_and_pyarrow_keep_their_files_here(by_settings: Client) -> None:
    by_settings.run("others/frames.py", "frames-bucket")
