"""Explanations as data: many rows (`Explanation`), pairs of features (`Interactions`), one row (`Attribution`).

Values are contributions in the space of the margin: base value + sum of values = margin, and the
link turns a margin into the prediction. Attribute names follow the shap package.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from glasskit import exponentials

Floats = npt.NDArray[np.float64]
Data = npt.NDArray[Any]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """Why one row got its prediction: one contribution per feature (or field, or group).

    data: the features' values as a reader knows them (numbers, texts, None where a group has none).
    labels: short names for readers; descriptions: a sentence each. Both may be partial.
    """

    names: Sequence[str]
    values: Sequence[float]
    base_value: float
    data: Sequence[object] = ()
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    descriptions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    link: str = "logistic"
    link_scale: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(str(name) for name in self.names))
        object.__setattr__(self, "values", tuple(float(value) for value in self.values))
        object.__setattr__(self, "data", tuple(self.data) or (None,) * len(self.names))
        if not len(self.names) == len(self.values) == len(self.data):
            raise ValueError(
                f"{len(self.names)} names, {len(self.values)} values and {len(self.data)} data do not match"
            )

    @classmethod
    def from_mappings(
        cls,
        shap_values: Mapping[str, float],
        base_value: float,
        *,
        data: Mapping[str, object] | None = None,
        labels: Mapping[str, str] | None = None,
        descriptions: Mapping[str, str] | None = None,
        link: str = "logistic",
    ) -> Attribution:
        """An attribution from what an explaining endpoint answers."""
        known = data or {}
        return cls(
            names=tuple(shap_values),
            values=tuple(shap_values.values()),
            base_value=base_value,
            data=tuple(known.get(name) for name in shap_values),
            labels=labels or {},
            descriptions=descriptions or {},
            link=link,
        )

    @property
    def margin(self) -> float:
        """Base value plus all contributions."""
        return self.base_value + float(np.sum(self.values))

    @property
    def prediction(self) -> float:
        """The margin after the link: a probability if the link is logistic."""
        return self.after_link(self.margin)

    @property
    def baseline(self) -> float:
        """The base value after the link."""
        return self.after_link(self.base_value)

    def after_link(self, margin: float) -> float:
        """The prediction that belongs to a margin."""
        return apply_link(self.link, margin * self.link_scale)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Explanation:
    """Contributions of many rows: values (n, F), or (n, F, K) for K outputs."""

    values: Floats
    base_values: Floats
    data: Data
    feature_names: Sequence[str]
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict)
    descriptions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    link: str = "logistic"
    link_scale: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "feature_names", tuple(self.feature_names))
        n_rows, n_features = self.values.shape[:2]
        if n_features != len(self.feature_names) or self.data.shape != (n_rows, n_features):
            raise ValueError(
                f"values {self.values.shape}, data {self.data.shape} and "
                f"{len(self.feature_names)} feature names do not match"
            )
        if self.base_values.shape != (n_rows, *self.values.shape[2:]):
            raise ValueError(
                f"values {self.values.shape} and base values {self.base_values.shape} do not match"
            )

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[Attribution]:
        return (self.row(index) for index in range(len(self)))

    def row(self, index: int) -> Attribution:
        """One row's contributions; choose an output first if there are several."""
        if self.values.ndim != 2:
            raise ValueError("choose one output with .output(k) first")
        return Attribution(
            names=self.feature_names,
            values=self.values[index].tolist(),
            base_value=float(self.base_values[index]),
            data=self.data[index].tolist(),
            labels=self.labels,
            descriptions=self.descriptions,
            link=self.link,
            link_scale=self.link_scale,
        )

    def output(self, index: int) -> Explanation:
        """The explanation of one output (class) of several.

        Its link is the identity unless it acts on each output alone: a softmax needs all margins.
        """
        return dataclasses.replace(
            self,
            values=self.values[:, :, index],
            base_values=self.base_values[:, index],
            link="identity" if self.link in ("softmax", "argmax") else self.link,
        )

    def described(
        self, descriptions: Mapping[str, str], *, labels: Mapping[str, str] | None = None
    ) -> Explanation:
        """The same explanation with a sentence (and a short label) for each feature."""
        return dataclasses.replace(
            self, descriptions=dict(descriptions), labels=dict(labels if labels is not None else self.labels)
        )

    def mean_absolute(self) -> Floats:
        """Mean |contribution| of each feature: how much it matters overall; (F,) or (F, K)."""
        return np.asarray(np.abs(self.values).mean(axis=0))


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Interactions:
    """SHAP interaction values (n, F, F) or (n, F, F, K): row sums are the SHAP values."""

    values: Floats
    base_values: Floats
    data: Data
    feature_names: Sequence[str]

    def __len__(self) -> int:
        return len(self.values)

    def row(self, index: int) -> Floats:
        """The matrix of one row."""
        return np.asarray(self.values[index])

    def mean_absolute(self) -> Floats:
        """Mean |interaction| over the rows; (F, F)."""
        return np.asarray(np.abs(self.values).mean(axis=0))


def apply_link(link: str, margin: float) -> float:
    """The prediction of one margin under an elementwise link.

    >>> apply_link("logistic", 0.0)
    0.5
    """
    if link in exponentials.ELEMENTWISE:
        return exponentials.of_one(link, margin)
    if link == "identity":
        return margin
    if link == "signed_square":
        return float(np.sign(margin) * margin * margin)
    if link == "step":
        return float(margin > 0)
    raise ValueError(f"the link {link!r} does not act on one margin alone")
