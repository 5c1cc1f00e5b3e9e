"""What can be wrong with an analysis; every message ends up as the job's FailureReason.

DataFault
└── ClarifyFault
    ├── BadConfig       a key of analysis_config.json; the message begins with it
    ├── BadDataset      the dataset, or a part of it, cannot be used
    └── ModelFault      the model, its endpoint, or what they answer
"""

from __future__ import annotations

from glasskit.data import faults


class ClarifyFault(faults.DataFault):
    """The analysis cannot be done; the message says why and what to change."""


class BadConfig(ClarifyFault):
    """A key of analysis_config.json."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"analysis_config.json: {key or 'the file'} {reason}")
        self.key = key


class BadDataset(ClarifyFault):
    """The dataset cannot be used."""


class ModelFault(ClarifyFault):
    """The model, its endpoint, or what they answer."""
