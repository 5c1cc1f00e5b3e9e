"""A model server that explains every record it predicts: what GLASSHOUSE_EXPLAIN asks for, in batch transform.

Each request, however many records it has, is one call of the model and one of the explainer.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from glasskit.clarify import online, online_questions, online_tables
from glasskit.container import explaining, failures, objects, requests

BASELINE = "GLASSHOUSE_EXPLAIN_BASELINE"
"""Rows of CSV, or the S3 address of such a file."""


class TablesHandler:
    """Answers with prediction, SHAP values and base value of every record.

    Raises failures.AlgorithmFailure for a model whose trees cannot be read.
    """

    def __init__(self, handler: requests.Handler) -> None:
        self._handler = handler
        try:
            self._explainer = online_tables.Explainer(
                explaining.readable(handler), self._reply, _baseline(os.environ.get(BASELINE, ""))
            )
        except (explaining.Unreadable, online.ExplanationFailed, online.BadRequest) as error:
            raise failures.AlgorithmFailure(f"GLASSHOUSE_EXPLAIN cannot be carried out: {error}") from error

    def execution_parameters(self) -> Mapping[str, object]:
        return self._handler.execution_parameters()

    def scored_by(self) -> requests.Scored | None:
        return self._handler.scored_by()

    def invoke(self, request: requests.Request) -> requests.Answer:
        """400 for records that do not fit, 500 for predictions that could not be explained."""
        try:
            table = online_tables.read(request.body, request.content_type)
            explained = self._explainer.explain(table)
            body, media = online_tables.written(explained, request.accept)
        except online.BadRequest as error:
            raise requests.Rejected(400, str(error)) from error
        except online.ExplanationFailed as error:
            raise requests.Rejected(500, str(error)) from error
        sys.stdout.write(f"Explained {len(table.rows)} records at once\n")
        sys.stdout.flush()
        return requests.Answer(body=body, content_type=media)

    def _reply(self, body: bytes, content_type: str, accept: str) -> online_questions.Reply:
        headers = {"content-type": content_type, "accept": accept}
        return explaining.reply_of(self._handler, requests.Request(body=body, headers=headers))[1]


def _baseline(given: str) -> online_tables.Floats | None:
    if not given:
        return None
    if not given.startswith("s3://"):
        return online_tables.read(given.encode(), online.CSV).rows
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "baseline"
        objects.download(given, path)
        return online_tables.read(path.read_bytes(), online.CSV).rows
