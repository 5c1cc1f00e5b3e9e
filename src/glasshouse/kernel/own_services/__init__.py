"""Service models of what AWS has no operation for, in botocore's form. Clients find them by AWS_DATA_PATH."""

from pathlib import Path

FOLDER = Path(__file__).parent
