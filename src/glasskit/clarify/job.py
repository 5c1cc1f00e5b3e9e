"""One analysis from its configuration to its files."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from glasskit import bias
from glasskit.clarify import (
    asking,
    attributions,
    baselines,
    coding,
    config,
    datasets,
    dependence,
    fairness,
    models,
    notebooks,
    pages,
    papers,
    printing,
    results,
)

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Folders: the configuration and the data come in, the results go out."""

    config: Path
    data: Path
    output: Path


def run(places: Places, platform: Platform, say: Say) -> results.Results:
    """Does the analysis and writes its files. Raises ClarifyFault."""
    asked = config.load(places.config / config.FILE)
    with tempfile.TemporaryDirectory(prefix="clarify-") as folder:
        work = _Work(platform=platform, say=say, folder=Path(folder))
        dataset = datasets.read(asked.dataset, places.data, work.fetch)
        say(f"Read {len(dataset.frame):,} rows with {len(dataset.features)} features")
        found = _analysed(asked, dataset, work)
    join = dataset.frame[dataset.join].tolist() if dataset.join else None
    results.write(found, places.output, save_local=bool(asked.shap and asked.shap.save_local), join=join)
    if asked.report is not None:
        _report(found, places.output, asked.report.name)
    say("Done")
    return found


def _report(found: results.Results, folder: Path, name: str) -> None:
    paper = papers.paper(found)
    (folder / f"{name}.html").write_text(pages.html(paper), encoding="utf-8")
    (folder / f"{name}.ipynb").write_text(notebooks.ipynb(paper), encoding="utf-8")
    (folder / f"{name}.pdf").write_bytes(printing.pdf(paper))


@dataclass(slots=True, kw_only=True)
class _Work:
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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Setting:
    """What is asked, of which coded rows, and against which baseline."""

    asked: config.Analysis
    dataset: datasets.Dataset
    columns: coding.Coding
    matrix: Floats
    baseline: Floats
    baseline_account: str


def _analysed(asked: config.Analysis, dataset: datasets.Dataset, work: _Work) -> results.Results:
    given = _given_baseline(asked, dataset, work)
    columns = coding.learned(dataset.inputs, *([] if given is None else [given]))
    matrix = columns.encode(dataset.inputs)
    _check_features(asked, columns)
    baseline, account = _baseline(asked, given, columns, matrix, work.say)
    setting = _Setting(
        asked=asked,
        dataset=dataset,
        columns=columns,
        matrix=matrix,
        baseline=baseline,
        baseline_account=account,
    )
    if asked.predictor is None or not (asked.shap or asked.dependence or _needs_predictions(asked, dataset)):
        report = _bias(setting, None, work.say)
        return _results(setting, report, None, (), None, 0, "The model was not needed.")
    with _served(asked.predictor, columns, work) as model:
        return _with_model(setting, model, work)


def _check_features(asked: config.Analysis, columns: coding.Coding) -> None:
    """Names that explanations are asked for are columns; found out before the model is asked anything."""
    for names, key in (
        (asked.shap.features if asked.shap else (), "methods.shap.features_to_explain"),
        (asked.dependence.features if asked.dependence else (), "methods.pdp.features"),
    ):
        for index, name in enumerate(names):
            datasets.column_of(columns.names, name, f"{key}[{index}]")


def _needs_predictions(asked: config.Analysis, dataset: datasets.Dataset) -> bool:
    return bool(asked.bias and asked.bias.post and not dataset.predicted)


def _given_baseline(asked: config.Analysis, dataset: datasets.Dataset, work: _Work) -> pd.DataFrame | None:
    if asked.shap is None or asked.shap.baseline is None:
        return None
    if isinstance(asked.shap.baseline, str):
        return datasets.baseline_file(work.fetch(asked.shap.baseline), asked.dataset, dataset)
    return datasets.baseline_rows(asked.shap.baseline, asked.dataset, dataset)


def _baseline(
    asked: config.Analysis, given: pd.DataFrame | None, columns: coding.Coding, matrix: Floats, say: Say
) -> tuple[Floats, str]:
    if asked.shap is None:
        return matrix[:0], ""
    if given is not None:
        source = asked.shap.baseline if isinstance(asked.shap.baseline, str) else "analysis_config.json"
        return columns.encode(given), f"{_rows(len(given))} of {source}"
    found = baselines.clustered(matrix, columns, n_clusters=asked.shap.n_clusters, seed=asked.shap.seed)
    say(f"Found a baseline of {_rows(len(found))} by clustering the dataset")
    return found, f"{_rows(len(found))}, the middles of clusters of the dataset"


def _rows(n: int) -> str:
    return f"{n:,} row" if n == 1 else f"{n:,} rows"


@contextlib.contextmanager
def _served(predictor: config.Predictor, columns: coding.Coding, work: _Work) -> Iterator[asking.Served]:
    with work.platform.serving(predictor) as endpoint:
        yield asking.Served(
            invoke=lambda body: work.platform.invoke(endpoint, body, predictor),
            predictor=predictor,
            coding=columns,
        )


def _with_model(setting: _Setting, model: asking.Served, work: _Work) -> results.Results:
    asked = setting.asked
    predicted = None
    if _needs_predictions(asked, setting.dataset):
        work.say(f"Predictions: asking the model about {len(setting.matrix):,} records")
        predicted = _predictions(setting, model)
    report = _bias(setting, predicted, work.say)
    found: models.Trees | models.NotUsed | None = None
    if asked.shap or asked.dependence:
        found = _trees(setting, model, work)
        work.say(f"The model's trees: {_account(found)}")
    before = model.n_records
    shap = _shap(setting, model, found, work.say) if asked.shap else None
    n_shap = model.n_records - before
    reader: asking.Model = found if isinstance(found, models.Trees) else model
    curves = _curves(setting, reader, shap, work.say) if asked.dependence else ()
    return _results(setting, report, shap, curves, model, n_shap, _account(found) if found else "not needed")


def _predictions(setting: _Setting, model: asking.Served) -> Sequence[object]:
    asked, dataset = setting.asked, setting.dataset
    if asked.bias and fairness.is_continuous(dataset, asked.bias):
        return [float(score) for score in model.scores(setting.matrix)[:, 0]]
    known = dataset.frame[dataset.label].dropna().unique().tolist()
    return model.labels(setting.matrix, threshold=asked.probability_threshold, known=known)


def _bias(setting: _Setting, predicted: Sequence[object] | None, say: Say) -> bias.Report | None:
    asked, dataset = setting.asked, setting.dataset
    if asked.bias is None:
        return None
    if predicted is None and dataset.predicted:
        predicted = dataset.frame[dataset.predicted].tolist()
    report = fairness.assessed(dataset, asked.bias, predicted)
    groups = "group" if len(report.facets) == 1 else "groups"
    say(f"Bias: {len(report.facets)} {groups} measured")
    return report


def _trees(setting: _Setting, model: asking.Served, work: _Work) -> models.Trees | models.NotUsed:
    """The model's own trees, if they can be read and answer as the model does."""
    predictor = model.predictor
    if not setting.columns.is_numeric:
        return models.NotUsed(
            reason="the dataset has columns that are not numbers, which something else must encode"
        )
    name = predictor.model_name or work.platform.model_of(predictor.endpoint_name)
    uri = work.platform.model_data(name) if name else ""
    if not uri.endswith(".tar.gz"):
        return models.NotUsed(reason="it has no archive of its own")
    files = [path for path in work.fetch(uri).rglob("*") if path.is_file()]
    found = models.found_in(files[0], len(setting.columns.names))
    if isinstance(found, models.NotUsed):
        return found
    rows = models.sample(setting.matrix, setting.baseline, seed=0)
    return models.checked(found, rows, model.scores)


def _account(found: models.Trees | models.NotUsed | None) -> str:
    if found is None:
        return ""
    if isinstance(found, models.NotUsed):
        return f"not used, because {found.reason}"
    return f"read from {found.file}; they answer as the model does"


def _shap(
    setting: _Setting, model: asking.Served, found: models.Trees | models.NotUsed | None, say: Say
) -> results.Shap:
    asked = setting.asked.shap
    if asked is None:
        raise AssertionError("only called where SHAP values are asked for")
    explained = None
    if isinstance(found, models.Trees):
        explained = attributions.of_trees(found, setting.matrix, setting.baseline, use_logit=asked.use_logit)
    if explained is None:
        is_local = isinstance(found, models.Trees)
        explained = attributions.of_model(
            found if isinstance(found, models.Trees) else model,
            setting.matrix,
            setting.baseline,
            names=setting.columns.names,
            asked=asked,
            progress=_progress(say, "SHAP", lambda: model.n_records),
            whose="the model's own trees" if is_local else "the model",
            asked_model=not is_local,
        )
    say(f"SHAP: 100 %. {explained.account}")
    names = setting.columns.names
    wanted = [datasets.column_of(names, name, "methods.shap.features_to_explain") for name in asked.features]
    n_labels = len(explained.expected)
    headers = model.predictor.label_headers
    return results.Shap(
        features=names,
        labels=headers if len(headers) == n_labels else tuple(f"label{k}" for k in range(n_labels)),
        found=explained,
        aggregation=asked.aggregation,
        baseline=setting.columns.decode(setting.baseline),
        baseline_account=setting.baseline_account,
        kept=tuple(names.index(name) for name in wanted) or tuple(range(len(names))),
    )


def _curves(
    setting: _Setting, model: asking.Model, shap: results.Shap | None, say: Say
) -> Sequence[dependence.Curve]:
    asked = setting.asked.dependence
    if asked is None:
        return ()
    names = [
        datasets.column_of(setting.columns.names, name, "methods.pdp.features") for name in asked.features
    ]
    if not names and shap is not None:
        strength = shap.found.overall("mean_abs").sum(axis=1)
        names = [shap.features[at] for at in sorted(shap.kept, key=lambda at: -strength[at])[: asked.top]]
    progress = _progress(say, "Partial dependence", lambda: 0)
    return dependence.curves(
        model, setting.matrix, setting.columns, names, grid=asked.grid, progress=progress
    )


def _progress(say: Say, what: str, n_records: Callable[[], int]) -> Callable[[int, int], None]:
    def told(done: int, of: int) -> None:
        records = n_records()
        asked = f", {records:,} records sent to the model" if records else ""
        say(f"{what}: {100 * done // of} % ({done:,} of {of:,}{asked})")

    return told


def _results(
    setting: _Setting,
    report: bias.Report | None,
    shap: results.Shap | None,
    curves: Sequence[Any],
    model: asking.Served | None,
    n_shap_records: int,
    trees: str,
) -> results.Results:
    asked = setting.asked
    return results.Results(
        dataset=setting.dataset,
        title=asked.report.title if asked.report else config.Report().title,
        bias=report,
        shap=shap,
        curves=curves,
        n_records=model.n_records if model else 0,
        n_requests=model.n_requests if model else 0,
        n_shap_records=n_shap_records,
        trees=trees,
    )
