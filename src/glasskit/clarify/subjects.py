"""What an analysis is about: the configuration, coded rows, the baseline; and what it needs of the platform."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from glasskit.clarify import asking, baselines, coding, config, datasets, faults, members, wordings

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Say = Callable[[str], None]


class Platform(Protocol):
    """What an analysis needs of the platform; see service.Platform."""

    def fetch(self, uri: str, folder: Path) -> Path: ...

    def model_data(self, model_name: str) -> str: ...

    def model_of(self, endpoint_name: str) -> str: ...

    def serving(self, predictor: config.Predictor) -> contextlib.AbstractContextManager[str]: ...

    def invoke(self, endpoint: str, body: bytes, predictor: config.Predictor) -> bytes: ...


@dataclass(slots=True, kw_only=True)
class Work:
    """The platform, and a folder of our own."""

    platform: Platform
    say: Say
    folder: Path
    n_fetched: int = 0

    def fetch(self, uri: str) -> Path:
        """The objects at an address, in a folder of their own."""
        self.n_fetched += 1
        place = self.folder / f"fetched-{self.n_fetched}"
        place.mkdir()
        return self.platform.fetch(uri, place)

    @contextlib.contextmanager
    def served(self, predictor: config.Predictor, columns: coding.Coding) -> Iterator[asking.Served]:
        """The model, for as long as the context lasts."""
        with self.platform.serving(predictor) as endpoint:
            yield asking.Served(
                invoke=lambda body: self.platform.invoke(endpoint, body, predictor),
                predictor=predictor,
                coding=columns,
            )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subject:
    """matrix: the coded features (n, F); baseline: coded rows; free: which features are free text, if any may be."""

    asked: config.Analysis
    dataset: datasets.Dataset
    columns: coding.Coding
    matrix: Floats
    baseline: Floats
    baseline_account: str
    free: tuple[bool, ...]

    def features(self, names: tuple[members.Name, ...], key: str) -> list[str]:
        """Features by name or place. Raises BadConfig."""
        return [datasets.column_of(self.columns.names, name, f"{key}[{at}]") for at, name in enumerate(names)]


def subject(asked: config.Analysis, dataset: datasets.Dataset, work: Work) -> Subject:
    """The subject of an analysis; all names in it are checked. Raises ClarifyFault."""
    given = _given_baseline(asked, dataset, work)
    columns = coding.learned(dataset.inputs, *([] if given is None else [given]))
    matrix = columns.encode(dataset.inputs)
    baseline, account = _baseline(asked, given, columns, matrix, work.say)
    found = Subject(
        asked=asked,
        dataset=dataset,
        columns=columns,
        matrix=matrix,
        baseline=baseline,
        baseline_account=account,
        free=_free(asked, dataset),
    )
    if asked.shap:
        found.features(asked.shap.features, "methods.shap.features_to_explain")
    if asked.dependence:
        key = "methods.pdp.features"
        for at, name in enumerate(found.features(asked.dependence.features, key)):
            if found.free[columns.names.index(name)]:
                raise faults.BadConfig(
                    f"{key}[{at}]", f"is {name!r}, a free text, which has no grid of values."
                )
    return found


def _free(asked: config.Analysis, dataset: datasets.Dataset) -> tuple[bool, ...]:
    if asked.shap is None or asked.shap.text is None:
        return (False,) * len(dataset.features)
    free = tuple(wordings.is_free(dataset.frame[name]) for name in dataset.features)
    if not any(free):
        raise faults.BadConfig(
            "methods.shap.text_config",
            "is given, but no column holds texts of two words or more; leave it out.",
        )
    return free


def _given_baseline(asked: config.Analysis, dataset: datasets.Dataset, work: Work) -> pd.DataFrame | None:
    if asked.shap is None or asked.shap.baseline is None:
        return None
    if isinstance(asked.shap.baseline, str):
        found = datasets.baseline_file(work.fetch(asked.shap.baseline), asked.dataset, dataset)
    else:
        found = datasets.baseline_rows(asked.shap.baseline, asked.dataset, dataset)
    if asked.shap.text and len(found) > 1:
        raise faults.BadConfig("methods.shap.baseline", "is one row where text_config is given.")
    return found


def _baseline(
    asked: config.Analysis, given: pd.DataFrame | None, columns: coding.Coding, matrix: Floats, say: Say
) -> tuple[Floats, str]:
    if asked.shap is None:
        return matrix[:0], ""
    if given is not None:
        source = asked.shap.baseline if isinstance(asked.shap.baseline, str) else "analysis_config.json"
        return columns.encode(given), f"{_rows(len(given))} of {source}"
    n_clusters = 1 if asked.shap.text else asked.shap.n_clusters
    found = baselines.clustered(matrix, columns, n_clusters=n_clusters, seed=asked.shap.seed)
    say(f"Found a baseline of {_rows(len(found))} by clustering the dataset")
    return found, f"{_rows(len(found))}, the middles of clusters of the dataset"


def _rows(n: int) -> str:
    return f"{n:,} row" if n == 1 else f"{n:,} rows"
