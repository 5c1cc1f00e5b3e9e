"""The report on one decision: a single HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from glasshouse.solutions.credit import decisions
from glasskit import charts, explain

AXIS = "Credit Default Risk Score (%)"
MAX_FEATURES = 12


def html(
    before: decisions.Decision,
    after: decisions.Decision,
    population: Sequence[Mapping[str, Any]],
    *,
    facts: Mapping[str, str],
) -> str:
    """Waterfalls (grouped and detailed), the counterfactual, the interactions, and the test set as a whole."""
    changes = {decisions.CHECKING: (before.data[decisions.CHECKING], after.data[decisions.CHECKING])}
    fields = list(before.data)
    members = explain.grouped.fields_of(before.by_feature.names, fields)
    names, matrix = explain.grouped.interactions(
        np.array(before.interactions), before.by_feature.names, members
    )
    return charts.report.html(
        charts.report.Report(
            title=f"Credit application {before.applicant}",
            subtitle="Why the model decided as it did",
            attribution=before.by_feature,
            grouped=before.by_group,
            fields=before.by_field,
            outcome="default",
            axis=charts.Axis(label=AXIS),
            facts={"Verdict": before.verdict, **facts},
            counterfactual=charts.report.Counterfactual(
                title="Had the checking account been in the red",
                before=before.by_feature,
                after=after.by_feature,
                changes=changes,
            ),
            interactions=charts.interaction.heat_map(
                matrix, names, max_features=MAX_FEATURES, labels=decisions.labels(names)
            ),
            population=_population(population, fields),
        )
    )


def _population(answers: Sequence[Mapping[str, Any]], fields: list[str]) -> charts.report.Population:
    """What matters over all the answers, by the applicants' own fields."""
    names = list(answers[0]["features"])
    explained = explain.Explanation(
        values=np.array(
            [[answer["explanation"]["shap_values"][name] for name in names] for answer in answers]
        ),
        base_values=np.array([answer["explanation"]["expected_value"] for answer in answers]),
        data=np.array([[answer["features"][name] for name in names] for answer in answers]),
        feature_names=names,
        labels=decisions.labels(names),
        link="logistic",
    )
    by_field = explain.grouped.by_field(explained, fields)
    return charts.report.Population(
        bar=charts.summary.bar(by_field, max_features=MAX_FEATURES),
        beeswarm=charts.summary.beeswarm(explained, max_features=MAX_FEATURES),
    )
