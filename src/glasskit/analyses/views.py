"""A model seen through the question: which rows, which output, which space, which groups."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt

from glasskit import explainers, trees
from glasskit.analyses import groups, models, questions
from glasskit.data import named
from glasskit.explain import explanations, grouped, sampling

Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class View:
    """How rows are explained: `exact` in the space of the margin, `asked` in that of the prediction."""

    exact: trees.Explainer
    asked: explainers.Explainer | None
    output: int | None
    groups: groups.Groups

    @property
    def names(self) -> tuple[str, ...]:
        """The model's columns."""
        return self.exact.feature_names

    def explained(self, rows: Floats) -> explanations.Explanation:
        """The contributions of the columns, of the one output that was chosen."""
        if self.asked is None:
            return self._one(self.exact.shap_values(rows))
        return self._one(self.asked.sampled(rows).explanation)

    def sampled(self, rows: Floats) -> sampling.Sampled | None:
        """The same with standard errors, where the model was asked."""
        return None if self.asked is None else self.asked.sampled(rows)

    def shown(self, explanation: explanations.Explanation, index: int) -> explanations.Attribution:
        """One row by groups, as readers see it."""
        alone = dataclasses.replace(explanation.row(index), labels=self.groups.labels)
        return grouped.by_mapping(alone, self.groups.group_of) if self.groups.group_of else alone

    def merged(self, values: Floats) -> tuple[list[str], Floats]:
        """(the groups, the contributions (n, F) summed by them)."""
        group_of = self.groups.of(self.names)
        found = list(dict.fromkeys(group_of))
        if len(found) == len(group_of):
            return found, values
        place = {group: at for at, group in enumerate(found)}
        summed = np.zeros((len(values), len(found)))
        for column, group in enumerate(group_of):
            summed[:, place[group]] += values[:, column]
        return found, summed

    def predictions(self, rows: Floats) -> Floats:
        """What the model predicts for the chosen output."""
        found = self.exact.predict(rows)
        return found if self.output is None or found.ndim == 1 else found[:, self.output]

    def interactions(self, rows: Floats) -> tuple[list[str], Floats]:
        """(the groups, interaction matrices (n, G, G))."""
        explained = self.exact.interaction_values(rows)
        values = explained.values if self.output is None else explained.values[..., self.output]
        names, merged = grouped.interactions(values, self.names, self.groups.of(self.names))
        return list(names), merged

    def _one(self, explanation: explanations.Explanation) -> explanations.Explanation:
        if self.output is None or explanation.values.ndim == 2:
            return explanation
        return explanation.output(self.output)


def of(asked: questions.Explain, ensemble: trees.Ensemble) -> View:
    """The view that a question asks for. Raises Unanswerable."""
    output = models.output_of(ensemble, asked.output_index)
    together = groups.read(asked.groups, asked.group_by, ensemble.feature_names)
    background = _rows(asked.background, ensemble, has_header=asked.has_header)
    if asked.space == "margin":
        exact = trees.Explainer(ensemble, background)
        return View(exact=exact, asked=None, output=output, groups=together)
    if background is None:
        raise questions.Unanswerable(
            "contributions to the prediction itself are measured against rows; give them with --background"
        )
    if asked.interactions:
        raise questions.Unanswerable(
            "interactions are in the space of the margin; leave --space prediction out"
        )
    exact = trees.Explainer(ensemble)
    by_asking = explainers.Explainer(
        exact.predict,
        background,
        feature_groups=together.members(ensemble.feature_names) or None,
        feature_names=ensemble.feature_names,
    )
    return View(exact=exact, asked=by_asking, output=output, groups=groups.Groups(labels=together.labels))


def _rows(path: Path | None, ensemble: trees.Ensemble, *, has_header: bool) -> Floats | None:
    if path is None:
        return None
    return named.read(path, ensemble.feature_names, has_header=has_header).numbers
