"""What a built-in algorithm offers to the container that runs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from glasskit.algorithms import hyperparameters

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from glasskit.data import tables


class Refused(ValueError):
    """The request of a user cannot be carried out; the message is for that user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A folder (or file) of input and the content type it was declared with, "" when none was."""

    path: Path
    content_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One training run.

    `checkpoints` is None when none are wanted. `stopped()` turns true when the run should end early and save
    what it has. `say` prints a line of the job's log.
    """

    hyperparameters: Mapping[str, str]
    channels: Mapping[str, Channel]
    model_dir: Path
    checkpoints: Path | None
    stopped: Callable[[], bool]
    say: Callable[[str], None]


class Model(Protocol):
    """A trained model that scores rows."""

    @property
    def n_features(self) -> int: ...

    @property
    def booster(self) -> object:
        """The library's own model of what scores, for `glasskit.trees` to read."""

    def predict(self, table: tables.Table) -> npt.NDArray[np.float64]:
        """Scores of shape (n_rows,) or (n_rows, n_classes)."""


class Algorithm(Protocol):
    """The module of an algorithm."""

    SCHEMA: hyperparameters.Schema

    def train(self, job: Job) -> None:
        """Reads the channels, trains and writes the model. Raises Refused, hyperparameters.Invalid, DataFault."""

    def load(self, model_dir: Path, *, allow_pickle: bool) -> Model:
        """The model in a folder. Pickles are read only when allowed: they run code of whoever wrote them."""


def channel(job: Job, *names: str) -> Channel | None:
    """The first channel of the job that has one of the names."""
    return next((job.channels[name] for name in names if name in job.channels), None)
