"""Training with a built-in algorithm: input/config as a job, and its mistakes as the failure of the job."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType

from glasskit import algorithms
from glasskit.algorithms import contract, hyperparameters
from glasskit.container import failures, layout
from glasskit.data import faults


def train(where: layout.Layout, name: str, raw: Mapping[str, object]) -> int:
    """Trains as input/config says. Raises failures.AlgorithmFailure.

    SIGTERM ends the training after the round in progress; the model of the finished rounds is written then.
    """
    stop = _StopRequest()
    algorithms.start_fast()
    try:
        job = job_of(where, raw, stop)
        _find(name).train(job)
    except (hyperparameters.Invalid, contract.Refused, faults.DataFault) as exc:
        raise failures.AlgorithmFailure(f"Customer Error: {exc}") from exc
    return 0


def _find(name: str) -> contract.Algorithm:
    try:
        return algorithms.find(name)
    except KeyError as exc:
        raise contract.Refused(f"{name} is none of the algorithms {', '.join(algorithms.names())}") from exc


class _StopRequest:
    """Remembers that SIGTERM came."""

    def __init__(self) -> None:
        self._asked = False
        signal.signal(signal.SIGTERM, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._asked = True

    def __call__(self) -> bool:
        return self._asked


def job_of(where: layout.Layout, raw: Mapping[str, object], stop: Callable[[], bool]) -> contract.Job:
    """The job that the files in input/config describe. Raises contract.Refused for what is not offered."""
    hosts = where.read_config("resourceconfig.json").get("hosts", ["algo-1"])
    if len(hosts) > 1:
        raise contract.Refused(f"InstanceCount is {len(hosts)}; this algorithm trains on one instance")
    channels = {}
    for name, config in where.read_config("inputdataconfig.json").items():
        if config.get("TrainingInputMode", "File") == "Pipe":
            raise contract.Refused(f"The channel {name} asks for Pipe mode; use File or FastFile")
        channels[name] = contract.Channel(
            path=where.channel(name), content_type=config.get("ContentType") or ""
        )
    return contract.Job(
        hyperparameters={key: str(value) for key, value in raw.items()},
        channels=channels,
        model_dir=where.model,
        checkpoints=_checkpoints(where),
        stopped=stop,
        say=_say,
    )


def _checkpoints(where: layout.Layout) -> Path | None:
    """The folder that checkpointconfig.json names, else /opt/ml/checkpoints where there is one, else None."""
    named = where.read_config("checkpointconfig.json").get("LocalPath")
    folder = Path(named) if named else where.checkpoints
    if named:
        folder.mkdir(parents=True, exist_ok=True)
    return folder if folder.is_dir() else None


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
