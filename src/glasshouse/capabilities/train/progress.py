"""The secondary statuses that clients print, and the metrics they plot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from glasshouse.capabilities.train import contract
from glasshouse.kernel.context import Context
from glasshouse.kernel.jobs import metrics
from glasshouse.kernel.jobs.folders import Attempt, host_names
from glasshouse.kernel.jobs.phases import Followed
from glasshouse.kernel.records import Record

SCAN_S, LAST_SCAN_S = 1.0, 60.0
"""How long one reading of a log may take, while the job runs and when it has ended."""
MESSAGES = {
    "Starting": "Starting the training job",
    "Downloading": "Downloading the training image and input data",
    "Training": "Training image download completed. Training in progress.",
    "Uploading": "Uploading generated training model",
    "Stopping": "Stopping the training job",
    "Restarting": "Restarting the training job after an interruption",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
}


def entered(record: Record, status: str, now: float, *, final: bool = False) -> dict[str, Any]:
    """The members that change when the job enters a secondary status; each transition ends the one before."""
    past = [dict(one) for one in record.doc["SecondaryStatusTransitions"]]
    if past:
        past[-1].setdefault("EndTime", now)
    latest = {"Status": status, "StartTime": now, "StatusMessage": MESSAGES[status]}
    if final:
        latest["EndTime"] = now
    return {"SecondaryStatus": status, "SecondaryStatusTransitions": [*past, latest]}


def metrics_of(record: Record, context: Context, attempt: Attempt, *, final: bool) -> Followed | None:
    """New metric values in the log; None when there are none. With `final` the whole log is read once more."""
    definitions = record.doc["AlgorithmSpecification"]["MetricDefinitions"]
    if not definitions:
        return None
    mark = attempt.root / "metrics.json"
    offset = 0 if final else _offset(mark)
    log = contract.log_of(record, context, attempt, host_names(1)[0])
    scan = metrics.scan(log, definitions, offset, budget_s=LAST_SCAN_S if final else SCAN_S)
    mark.write_text(json.dumps(scan.offset))
    known = {m["MetricName"]: m for m in record.doc.get("FinalMetricDataList", [])}
    found = {
        name: {"MetricName": name, "Value": value, "Timestamp": at}
        for name, (value, at) in scan.latest.items()
    }
    if all(known.get(name) == one for name, one in found.items()):
        return None
    return Followed(patch={"FinalMetricDataList": list({**known, **found}.values())})


def _offset(mark: Path) -> int:
    """Where the last look ended. What a look found and could not write down, the final one finds again."""
    try:
        return int(json.loads(mark.read_text()))
    except (FileNotFoundError, ValueError):
        return 0
