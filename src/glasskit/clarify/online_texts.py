"""Records with texts: each unit of a text is a player, and so is every other feature that differs from the baseline.

Where a coalition leaves a unit out, the baseline's text stands in its place (for instance `<MASK>`); an empty baseline
removes the unit. What nobody is worth is therefore the record with all its units replaced, not the baseline itself.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from glasskit.clarify import online_records as records
from glasskit.clarify import online_rows, online_settings
from glasskit.clarify import online_sampling as sampling
from glasskit.clarify import online_trees as exact
from glasskit.explain import texts, texts_segments

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Kinds = tuple[str, ...]
"""numerical, categorical or text, for every feature."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A text feature of a record and its units."""

    feature: int
    text: str
    spans: tuple[texts_segments.Span, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Record:
    """The players are those of `plain`, then the units of every text in order."""

    plain: sampling.Tabular
    texts: tuple[Text, ...]

    @property
    def n_players(self) -> int:
        return self.plain.n_players + sum(len(text.spans) for text in self.texts)

    def mixed(self, coalitions: Bools) -> sampling.Rows:
        """The synthetic rows of coalitions, each with every baseline row."""
        first = self.plain.n_players
        background = self.plain.background
        rows = self.plain.mixed(coalitions[:, :first])
        for text in self.texts:
            units = coalitions[:, first : first + len(text.spans)].tolist()
            first += len(text.spans)
            rows[:, text.feature] = [
                texts.masked(text.text, text.spans, kept, str(mask))
                for kept in units
                for mask in background[:, text.feature].tolist()
            ]
        return rows


def kinds(settings: online_settings.Settings, baseline: records.Cells) -> Kinds:
    """The features' types as given, or as the baseline has them: what is no number is text. Raises Refused."""
    found = settings.feature_types or tuple(
        "text" if records.numbers(baseline[:, [feature]]) is None else "numerical"
        for feature in range(baseline.shape[1])
    )
    if "text" not in found:
        raise online_settings.Refused(
            "ShapConfig.TextConfig is given, but no feature of the SHAP baseline is a text; set FeatureTypes"
        )
    return found


def record(
    row: records.Cells, baseline: records.Cells, features: Kinds, text: online_settings.Text
) -> Record:
    """A row as its explanation needs it. Raises online_rows.BadRecords for a text feature that is no text."""
    is_text = np.array([kind == "text" for kind in features])
    found = []
    for feature in np.flatnonzero(is_text).tolist():
        if not isinstance(row[feature], str):
            raise online_rows.BadRecords(
                f"feature {feature + 1} of a record is {row[feature]!r}, which is no text"
            )
        spans = texts_segments.segments(row[feature], _granularity(text), language=text.language)
        found.append(Text(feature=feature, text=row[feature], spans=spans))
    players = np.flatnonzero(exact.differs(row, baseline) & ~is_text)
    plain = sampling.Tabular(row=row, background=baseline, players=players)
    return Record(plain=plain, texts=tuple(found))


def attributions(one: Record, values: Floats, features: Kinds) -> list[dict[str, Any]]:
    """Clarify's list of features for the players' values, (players, K)."""
    n_outputs = values.shape[1]
    listed: list[dict[str, Any]] = [
        {"attributions": [{"attribution": [0.0] * n_outputs}], "feature_type": kind} for kind in features
    ]
    for place, feature in enumerate(one.plain.players.tolist()):
        listed[feature]["attributions"] = [{"attribution": values[place].tolist()}]
    first = one.plain.n_players
    for text in one.texts:
        of_units = values[first : first + len(text.spans)].tolist()
        listed[text.feature]["attributions"] = _units(text, of_units)
        first += len(text.spans)
    return listed


def _units(text: Text, values: Sequence[Sequence[float]]) -> list[dict[str, Any]]:
    return [
        {
            "attribution": value,
            "description": {"partial_text": text.text[span.start : span.end], "start_idx": span.start},
        }
        for span, value in zip(text.spans, values, strict=True)
    ]


def _granularity(text: online_settings.Text) -> texts_segments.Granularity:
    for known in ("token", "sentence", "paragraph"):
        if known == text.granularity:
            return known
    raise online_settings.Refused(f"ShapConfig.TextConfig.Granularity {text.granularity!r} is not known")
