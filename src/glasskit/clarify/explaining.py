"""Explanations of a subject: its trees where they can be read, the model where they cannot."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from glasskit.clarify import (
    asking,
    attributions,
    config,
    dependence,
    models,
    results,
    subjects,
    wordings,
)

_LINES = 20
"""About so many lines of progress are told of a long piece of work."""


def trees(
    subject: subjects.Subject, model: asking.Served, work: subjects.Work
) -> models.Trees | models.NotUsed:
    """The model's own trees, if they can be read and answer as the model does."""
    predictor = model.predictor
    if not subject.columns.is_numeric:
        return models.NotUsed(
            reason="the dataset has columns that are not numbers, which something else must encode"
        )
    name = predictor.model_name or work.platform.model_of(predictor.endpoint_name)
    uri = work.platform.model_data(name) if name else ""
    if not uri.endswith(".tar.gz"):
        return models.NotUsed(reason="it has no archive of its own")
    files = [path for path in work.fetch(uri).rglob("*") if path.is_file()]
    found = models.found_in(files[0], len(subject.columns.names))
    if isinstance(found, models.NotUsed):
        return found
    rows = models.sample(subject.matrix, subject.baseline, seed=0)
    return models.checked(found, rows, model.scores)


def account(found: models.Trees | models.NotUsed | None) -> str:
    """What became of the model's trees, in words."""
    if found is None:
        return "not needed"
    if isinstance(found, models.NotUsed):
        return f"not used, because {found.reason}"
    return f"read from {found.file}; they answer as the model does"


def shap(
    subject: subjects.Subject,
    model: asking.Served,
    found: models.Trees | models.NotUsed | None,
    asked: config.Shap,
    say: subjects.Say,
) -> results.Shap:
    """SHAP values of every row. Raises ModelFault."""
    own = found if isinstance(found, models.Trees) else None
    explained, told = None, progress(say, "SHAP", lambda: model.n_records)
    if own is not None:
        explained = attributions.of_trees(
            own,
            subject.matrix,
            subject.baseline,
            asked=asked,
            progress=progress(say, "SHAP", lambda: 0),
        )
    if explained is None:
        explained = attributions.of_model(
            own or model,
            subject.matrix,
            subject.baseline,
            names=subject.columns.names,
            asked=asked,
            progress=told,
            whose="the model's own trees" if own else "the model",
            asked_model=own is None,
        )
    say(explained.account)
    names = subject.columns.names
    wanted = subject.features(asked.features, "methods.shap.features_to_explain")
    return results.Shap(
        features=names,
        labels=_labels(model, len(explained.expected)),
        found=explained,
        aggregation=asked.aggregation,
        baseline=subject.columns.decode(subject.baseline),
        baseline_account=subject.baseline_account,
        kept=tuple(names.index(name) for name in wanted) or tuple(range(len(names))),
    )


def texts(
    subject: subjects.Subject, model: asking.Served, asked: config.Shap, text: config.Text, say: subjects.Say
) -> results.Texts:
    """SHAP values of rows that hold free text. Raises ModelFault, BadDataset."""
    (first,) = subject.columns.decode(subject.baseline)
    baseline = tuple(
        "" if free and asked.baseline is None else value
        for free, value in zip(subject.free, first, strict=True)
    )
    question = wordings.Question(
        columns=subject.columns, free=subject.free, baseline=baseline, text=text, shap=asked
    )
    told = progress(say, "SHAP", lambda: model.n_records)
    rows: list[wordings.Explained] = []
    for row in subject.columns.decode(subject.matrix):
        rows.append(wordings.explained(question, row, model.scores_of))
        told(len(rows), len(subject.matrix))
    kinds: list[results.Kind] = [
        "free_text" if free else "categorical" if column.kind == "category" else "numerical"
        for free, column in zip(subject.free, subject.columns.columns, strict=True)
    ]
    return results.Texts(
        features=subject.columns.names,
        kinds=tuple(kinds),
        labels=_labels(model, len(rows[0].base)),
        rows=rows,
        aggregation=asked.aggregation,
        n_top=text.n_top,
        baseline=baseline,
        account=f"Kernel SHAP asking the model about texts without some of their {text.granularity}s.",
    )


def curves(
    subject: subjects.Subject,
    model: asking.Model,
    found: results.Shap | results.Texts | None,
    asked: config.Dependence,
    say: subjects.Say,
) -> Sequence[dependence.Curve]:
    """Partial dependence of the features that are named, or of the strongest."""
    names = subject.features(asked.features, "methods.pdp.features")
    if not names and found is not None:
        strengths = found.strengths()
        names = sorted(strengths, key=lambda name: -strengths[name])[: asked.top]
    return dependence.curves(
        model,
        subject.matrix,
        subject.columns,
        names,
        grid=asked.grid,
        progress=progress(say, "Partial dependence", lambda: 0),
    )


def _labels(model: asking.Served, n_labels: int) -> tuple[str, ...]:
    headers = model.predictor.label_headers
    return headers if len(headers) == n_labels else tuple(f"label{k}" for k in range(n_labels))


def progress(say: subjects.Say, what: str, n_records: Callable[[], int]) -> Callable[[int, int], None]:
    """Tells how far a piece of work is, some twenty times."""

    last = 0

    def told(done: int, of: int) -> None:
        nonlocal last
        if done < of and done * _LINES // of == last:
            return
        last = done * _LINES // of
        records = n_records()
        asked = f", {records:,} records sent to the model" if records else ""
        say(f"{what}: {100 * done // of} % ({done:,} of {of:,}{asked})")

    return told
