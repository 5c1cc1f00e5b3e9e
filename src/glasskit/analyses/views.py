"""A model seen through the question: which output, which space, which groups."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from glasskit import trees
from glasskit.analyses import groups, models, questions, rows
from glasskit.explain import explanations, grouped

Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class View:
    """How rows are explained. output: the class, None where there is one output."""

    explainer: trees.Explainer
    space: questions.Space
    output: int | None
    groups: groups.Groups

    @property
    def names(self) -> tuple[str, ...]:
        """The model's columns."""
        return self.explainer.feature_names

    @property
    def group_names(self) -> list[str]:
        """The groups, in the order of their first columns."""
        return list(dict.fromkeys(self.groups.of(self.names)))

    def explained(self, given: rows.Rows) -> explanations.Explanation:
        """The contributions of the columns, of the one output that was chosen."""
        explanation = self.explainer.shap_values(given)
        if self.output is None or explanation.values.ndim == 2:
            return explanation
        return explanation.output(self.output)

    def shown(self, explanation: explanations.Explanation, index: int) -> explanations.Attribution:
        """One row by groups, as readers see it."""
        alone = dataclasses.replace(explanation.row(index), labels=self.groups.labels)
        return grouped.by_mapping(alone, self.groups.group_of) if self.groups.group_of else alone

    def merged(self, values: Floats) -> Floats:
        """Contributions (n, F) summed by groups."""
        found = self.group_names
        if len(found) == len(self.names):
            return values
        place = {group: at for at, group in enumerate(found)}
        summed = np.zeros((len(values), len(found)))
        for column, group in enumerate(self.groups.of(self.names)):
            summed[:, place[group]] += values[:, column]
        return summed

    def predictions(self, given: rows.Rows) -> Floats:
        """What the model predicts for the chosen output."""
        found = self.explainer.predict(given)
        return found if self.output is None or found.ndim == 1 else found[:, self.output]

    def interactions(self, given: rows.Rows) -> tuple[list[str], Floats]:
        """(the groups, interaction matrices (n, G, G))."""
        explained = self.explainer.interaction_values(given)
        values = explained.values if self.output is None else explained.values[..., self.output]
        names, merged = grouped.interactions(values, self.names, self.groups.of(self.names))
        return list(names), merged


def of(asked: questions.Explain, ensemble: trees.Ensemble) -> View:
    """The view that a question asks for. Raises Unanswerable, and what the model and the background raise."""
    output = models.output_of(ensemble, asked.output_index)
    together = groups.read(asked.groups, asked.group_by, ensemble.feature_names)
    if asked.space == "prediction" and asked.background is None:
        raise questions.Unanswerable(
            "contributions to the prediction itself are measured against rows; give them with --background"
        )
    background = None
    if asked.background is not None:
        background = rows.read(asked.background, ensemble, has_header=asked.has_header).rows
    explainer = trees.Explainer(ensemble, background, space=asked.space)
    return View(explainer=explainer, space=asked.space, output=output, groups=together)
