"""Where a run keeps its objects, and what it calls its resources."""

from __future__ import annotations

from dataclasses import dataclass

PREFIX = "credit-decisions"
ENDPOINT = f"{PREFIX}-explainer"
PACKAGE_GROUP = PREFIX
TAGS = [{"Key": "solution", "Value": PREFIX}]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """One run: its bucket, and its own prefix in it. `run` is part of every name the run gives."""

    bucket: str
    run: str

    def key(self, path: str) -> str:
        """The key of an object of this run."""
        return f"{self.run}/{path}"

    def uri(self, path: str) -> str:
        """Its S3 URI."""
        return f"s3://{self.bucket}/{self.key(path)}"

    def name(self, part: str) -> str:
        """The name of one of the run's jobs or resources."""
        return f"{PREFIX}-{part}-{self.run}"


def bucket_name(*, account: str, region: str) -> str:
    """The bucket all runs of the account share."""
    return f"{PREFIX}-{account}-{region}"
