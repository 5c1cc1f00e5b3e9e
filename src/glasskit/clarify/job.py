"""One analysis from its configuration to its files."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from glasskit import bias
from glasskit.clarify import (
    asking,
    config,
    datasets,
    explaining,
    fairness,
    models,
    notebooks,
    pages,
    papers,
    printing,
    results,
    subjects,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Folders: the configuration and the data come in, the results go out."""

    config: Path
    data: Path
    output: Path


def run(places: Places, platform: subjects.Platform, say: subjects.Say) -> results.Results:
    """Does the analysis and writes its files. Raises ClarifyFault."""
    asked = config.load(places.config / config.FILE)
    with tempfile.TemporaryDirectory(prefix="clarify-") as folder:
        work = subjects.Work(platform=platform, say=say, folder=Path(folder))
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


def _analysed(asked: config.Analysis, dataset: datasets.Dataset, work: subjects.Work) -> results.Results:
    subject = subjects.subject(asked, dataset, work)
    if asked.predictor is None or not (asked.shap or asked.dependence or _needs_predictions(subject)):
        return _results(subject, bias=_bias(subject, None, work.say))
    with work.served(asked.predictor, subject.columns) as model:
        return _with_model(subject, model, work)


def _with_model(subject: subjects.Subject, model: asking.Served, work: subjects.Work) -> results.Results:
    asked = subject.asked
    predicted = _predictions(subject, model, work.say) if _needs_predictions(subject) else None
    report = _bias(subject, predicted, work.say)
    trees: models.Trees | models.NotUsed | None = None
    if asked.shap or asked.dependence:
        trees = explaining.trees(subject, model, work)
        work.say(f"The model's trees: {explaining.account(trees)}")
    before, shap, texts = model.n_records, None, None
    if asked.shap and asked.shap.text:
        texts = explaining.texts(subject, model, asked.shap, asked.shap.text, work.say)
    elif asked.shap:
        shap = explaining.shap(subject, model, trees, asked.shap, work.say)
    n_shap_records = model.n_records - before
    curves: Sequence[results.Curve] = ()
    if asked.dependence:
        reader: asking.Model = trees if isinstance(trees, models.Trees) else model
        curves = explaining.curves(subject, reader, shap or texts, asked.dependence, work.say)
    return _results(
        subject,
        bias=report,
        shap=shap,
        texts=texts,
        curves=curves,
        model=model,
        n_shap_records=n_shap_records,
        trees=explaining.account(trees),
    )


def _needs_predictions(subject: subjects.Subject) -> bool:
    asked = subject.asked
    return bool(asked.bias and asked.bias.post and not subject.dataset.predicted)


def _predictions(subject: subjects.Subject, model: asking.Served, say: subjects.Say) -> Sequence[object]:
    asked, dataset = subject.asked, subject.dataset
    say(f"Predictions: asking the model about {len(subject.matrix):,} records")
    if asked.bias and fairness.is_continuous(dataset, asked.bias):
        return [float(score) for score in model.scores(subject.matrix)[:, 0]]
    known = dataset.frame[dataset.label].dropna().unique().tolist()
    return model.labels(subject.matrix, threshold=asked.probability_threshold, known=known)


def _bias(
    subject: subjects.Subject, predicted: Sequence[object] | None, say: subjects.Say
) -> bias.Report | None:
    asked, dataset = subject.asked, subject.dataset
    if asked.bias is None:
        return None
    if predicted is None and dataset.predicted:
        predicted = dataset.frame[dataset.predicted].tolist()
    report = fairness.assessed(dataset, asked.bias, predicted)
    groups = "group" if len(report.facets) == 1 else "groups"
    say(f"Bias: {len(report.facets)} {groups} measured")
    return report


def _results(
    subject: subjects.Subject,
    *,
    bias: bias.Report | None,
    shap: results.Shap | None = None,
    texts: results.Texts | None = None,
    curves: Sequence[results.Curve] = (),
    model: asking.Served | None = None,
    n_shap_records: int = 0,
    trees: str = "",
) -> results.Results:
    asked = subject.asked
    return results.Results(
        dataset=subject.dataset,
        title=asked.report.title if asked.report else config.Report().title,
        bias=bias,
        shap=shap,
        texts=texts,
        curves=curves,
        n_records=model.n_records if model else 0,
        n_requests=model.n_requests if model else 0,
        n_shap_records=n_shap_records,
        trees=trees,
    )
