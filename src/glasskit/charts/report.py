"""A decision's report: one HTML file with everything inside it, no script and no request to anywhere.

Every text that comes from outside is escaped. The page's own policy allows its one style sheet (by
digest) and nothing else.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
from collections.abc import Mapping, Sequence

from glasskit.charts import axes, interaction, style, summary, svg, waterfall
from glasskit.charts.svg.canvas import escape
from glasskit.explain import words
from glasskit.explain.explanations import Attribution


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Counterfactual:
    """The same case with some values changed; changes: name -> (old value, new value)."""

    before: Attribution
    after: Attribution
    changes: Mapping[str, tuple[object, object]]
    title: str = "What if"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """How the model decides over many rows."""

    bar: summary.BarChart
    beeswarm: summary.Beeswarm | None = None
    note: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A section of the caller's own. markup: HTML whose every text its maker has escaped."""

    title: str
    markup: str
    note: str = ""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a report shows; `attribution` holds the model's own features, `grouped` their sums.

    sections come after the waterfalls, closing after everything else.
    """

    attribution: Attribution
    title: str = "Explanation of a decision"
    subtitle: str = ""
    outcome: str = "default"
    threshold: float | None = None
    grouped: Attribution | None = None
    fields: Attribution | None = None
    facts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    axis: axes.Axis = dataclasses.field(default_factory=axes.Axis)
    max_features: int = 10
    counterfactual: Counterfactual | None = None
    interactions: interaction.HeatMap | None = None
    population: Population | None = None
    language: str = "en"
    sections: Sequence[Section] = ()
    closing: Sequence[Section] = ()


def html(report: Report) -> str:
    """The report as one self-contained HTML document."""
    sections = [
        _decision(report),
        _summary(report),
        _detail(report),
        *map(_own, report.sections),
        _what_if(report),
        _interactions(report),
        _table(report.attribution),
        _population(report),
        *map(_own, report.closing),
    ]
    policy = f"default-src 'none'; style-src '{style_digest()}'; base-uri 'none'; form-action 'none'"
    return (
        f'<!DOCTYPE html>\n<html lang="{escape(report.language)}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{escape(report.title)}</title>\n<style>{style.SHEET}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(section for section in sections if section)
        + f"\n</main>\n<footer>{escape(_FOOTER)}</footer>\n</body>\n</html>\n"
    )


def style_digest() -> str:
    """The Content-Security-Policy source of the report's style sheet, `sha256-...`."""
    digest = hashlib.sha256(style.SHEET.encode()).digest()
    return "sha256-" + base64.b64encode(digest).decode()


_FOOTER = (
    "Every contribution is an exact SHAP value; baseline and contributions add up to the prediction, "
    "which was checked when this page was made."
)


def _decision(report: Report) -> str:
    why = report.fields or report.attribution
    sentence = words.decision(why, outcome=report.outcome, threshold=report.threshold)
    higher = report.attribution.margin > report.attribution.base_value
    side = "above" if higher else "below"
    amount = words.amount(report.attribution, report.attribution.prediction)
    baseline = words.amount(report.attribution, report.attribution.baseline)
    subtitle = f'<p class="subtitle">{escape(report.subtitle)}</p>' if report.subtitle else ""
    facts = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(fact)}</dd></div>" for name, fact in report.facts.items()
    )
    return (
        f"<header><h1>{escape(report.title)}</h1>{subtitle}</header>\n"
        f'<section class="decision {"higher" if higher else "lower"}">'
        f'<p class="number"><strong>{escape(amount)}</strong> '
        f"<span>{side} the baseline of {escape(baseline)}</span></p>"
        f"<p>{escape(_unbroken(sentence))}</p></section>"
        + (f'\n<dl class="facts">{facts}</dl>' if facts else "")
    )


def _unbroken(sentence: str) -> str:
    """The sentence with numbers and their signs kept on one line."""
    return sentence.replace(" × ", "\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}").replace(
        " %", "\N{NO-BREAK SPACE}%"
    )


def _section(title: str, note: str, *figures: str) -> str:
    drawn = "".join(f"<figure>{figure}</figure>" for figure in figures)
    return f"<section><h2>{escape(title)}</h2><p>{escape(note)}</p>{drawn}</section>"


def _own(section: Section) -> str:
    note = f"<p>{escape(section.note)}</p>" if section.note else ""
    return f"<section><h2>{escape(section.title)}</h2>{note}<div>{section.markup}</div></section>"


def _waterfall(report: Report, attribution: Attribution, title: str) -> str:
    chart = waterfall.waterfall(attribution, max_features=report.max_features)
    return svg.waterfall(chart, axis=report.axis, title=title)


def _summary(report: Report) -> str:
    if report.grouped is None:
        return ""
    note = "Contributions summed by group, from the baseline at the bottom to this prediction at the top."
    return _section("Summary", note, _waterfall(report, report.grouped, "Summary waterfall"))


def _detail(report: Report) -> str:
    note = (
        f"The {report.max_features} strongest single contributions; the others are summed in one step. "
        "Rest the pointer on a bar to read what it means."
    )
    return _section("In detail", note, _waterfall(report, report.attribution, "Detailed waterfall"))


def _what_if(report: Report) -> str:
    if report.counterfactual is None:
        return ""
    what_if = report.counterfactual
    note = words.counterfactual(
        what_if.before, what_if.after, changes=what_if.changes, outcome=report.outcome
    )
    return _section(what_if.title, note, _waterfall(report, what_if.after, "Waterfall after the change"))


def _interactions(report: Report) -> str:
    if report.interactions is None:
        return ""
    note = (
        "How much of the prediction comes from features acting together. The diagonal holds what each does "
        "alone; a pair's effect stands half on either side of it. All cells add up to prediction minus "
        "baseline."
    )
    return _section("Interactions", note, svg.heat_map(report.interactions, axis=report.axis))


def _population(report: Report) -> str:
    if report.population is None:
        return ""
    group = report.population
    note = group.note or f"How the model decided over {group.bar.n_rows:,} cases."
    figures = [svg.bar(group.bar, axis=report.axis)]
    if group.beeswarm is not None:
        figures.append(svg.beeswarm(group.beeswarm, axis=report.axis))
    return _section("The whole group", note, *figures)


def _table(attribution: Attribution) -> str:
    ranked = sorted(range(len(attribution.names)), key=lambda index: -abs(attribution.values[index]))
    decimals = max(4, axes.decimals_for(max(map(abs, attribution.values), default=0.0)))
    rows = "".join(_table_row(attribution, index, decimals) for index in ranked)
    return (
        "<section><h2>All values</h2>"
        f"<p>Sorted by strength. Base value {axes.fixed(attribution.base_value, 4)}, sum {axes.fixed(attribution.margin, 4)}"
        f"{' (log-odds)' if attribution.link == 'logistic' else ''}.</p>"
        '<div class="scroll"><table><thead><tr><th scope="col">Feature</th><th scope="col">Value</th>'
        '<th scope="col" class="n">SHAP value</th><th scope="col">Effect</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div></section>"
    )


def _table_row(attribution: Attribution, index: int, decimals: int) -> str:
    name, contribution = attribution.names[index], attribution.values[index]
    given = attribution.data[index]
    description = attribution.descriptions.get(name, "")
    about = f"<small>{escape(description)}</small>" if description else ""
    kind = "raises" if contribution > 0 else "lowers" if contribution < 0 else ""
    return (
        f'<tr><th scope="row">{escape(words.label(attribution, name))}<code>{escape(name)}</code>{about}</th>'
        f"<td>{escape(words.value(given)) if given is not None else ''}</td>"
        f'<td class="n {kind}">{escape(axes.fixed(contribution, decimals))}</td>'
        f"<td>{escape(words.effect(attribution, contribution)) if contribution else 'none'}</td></tr>"
    )
