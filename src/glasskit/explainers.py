"""`glasskit.Explainer`: one way to explain any model; trees exactly, everything else by asking it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol, cast, runtime_checkable

import numpy as np
import numpy.typing as npt

from glasskit import trees
from glasskit.explain import explanations, frames, games, grouped, sampling, shap_objects

Floats = npt.NDArray[np.float64]
Method = Literal["auto", "kernel", "permutation"]
Space = Literal["margin", "log-odds", "prediction", "probability"]
_MOST_PLAYERS_OF_PAIRS = 12


@runtime_checkable
class Table(Protocol):
    """What we need of a data frame."""

    @property
    def columns(self) -> Sequence[str]: ...

    def __getitem__(self, name: str) -> npt.ArrayLike: ...

    def __len__(self) -> int: ...


Rows = npt.ArrayLike | Table


@runtime_checkable
class _Classifier(Protocol):
    def predict_proba(self, X: Floats) -> npt.ArrayLike: ...


@runtime_checkable
class _Regressor(Protocol):
    def predict(self, X: Floats) -> npt.ArrayLike: ...


class Explainer:
    """Explains the predictions of a model: `explainer(X)`.

    model: a tree ensemble (a file, a booster, an estimator, whatever `trees.load` reads), which is
        explained exactly; or an object with predict_proba or predict, or a predict function, which is
        asked, with a background. Where the background is a data frame with columns that are no numbers, or
        the estimator was fitted on a frame, it is asked with frames of the same columns and types.
    background: rows to explain against. feature_groups: group -> columns that count as one.
    space: what contributions add up to. "margin", or "log-odds" where that is what the margin is: the default
        for trees. "prediction", or "probability" where that is what is predicted: the default for models that
        are asked; trees need a background for it (`trees.against` has the definition). A model that is asked
        has no margin, but its probabilities can be explained in "log-odds".
    method, n_samples, seed: for models that are asked; see `explain.sampling`.
    """

    def __init__(
        self,
        model: object,
        background: Rows | None = None,
        feature_groups: Mapping[str, Sequence[str]] | None = None,
        *,
        feature_names: Sequence[str] | None = None,
        space: Space | None = None,
        method: Method = "auto",
        n_samples: int | None = None,
        seed: int = 0,
    ) -> None:
        if feature_groups is not None and not isinstance(feature_groups, Mapping):
            raise ValueError(
                f"feature_groups is {feature_groups!r}; it must map groups to their columns, "
                "such as {'account': ['account__low', 'account__high']}"
            )
        self._groups = feature_groups
        self._method, self._n_samples, self._seed = method, n_samples, seed
        self._trees = _trees(model, background, space) if method == "auto" else None
        self._question: sampling.Question | None = None
        self._frames: frames.Frames | None = None
        if self._trees is not None:
            if n_samples is not None:
                raise ValueError("n_samples is for models that are asked; trees are explained exactly")
            self.feature_names: tuple[str, ...] = self._trees.feature_names
        else:
            if background is None:
                raise ValueError("a model that is asked needs a background: rows to explain against")
            names = _names(background) if feature_names is None else feature_names
            self.feature_names = tuple(names)
            self._frames = _frames(model, background, self.feature_names)
            predict = _predict_function(model)
            self._question = sampling.Question(
                predict=predict if self._frames is None else _of_frames(predict, self._frames),
                background=self._matrix(background),
                feature_names=self.feature_names,
                groups=feature_groups,
                space=_space_of_answers(space),
            )
        games.players(self.feature_names, feature_groups)

    @property
    def is_exact(self) -> bool:
        """Whether every value is exact by construction, whatever the number of features."""
        return self._trees is not None

    def __call__(self, X: Rows) -> explanations.Explanation:
        """The explanation of every row. If shap was imported, `shap.plots` take it as it is."""
        return shap_objects.compatible(self._explained(X))

    def sampled(self, X: Rows) -> sampling.Sampled:
        """The explanation with the standard errors of its values, and the method that was used."""
        if self._question is None:
            explanation = self._explained(X)
            errors = np.zeros_like(explanation.values)
            return sampling.Sampled(explanation=explanation, errors=errors, method="exact")
        found = self._sampled(self._matrix(X))
        if self._frames is None or not self._frames.has_texts:
            return found
        shown = self._frames.shown(found.explanation.data, found.explanation.feature_names)
        return dataclasses.replace(found, explanation=dataclasses.replace(found.explanation, data=shown))

    def _sampled(self, rows: Floats) -> sampling.Sampled:
        if self._question is None:
            raise ValueError("a tree ensemble is not sampled")
        if self._method == "permutation":
            n_players = len(games.players(self.feature_names, self._groups)[0])
            n_orders = 64 if self._n_samples is None else max(2, self._n_samples // (2 * n_players))
            return sampling.permutation_shap(self._question, rows, n_permutations=n_orders, seed=self._seed)
        return sampling.kernel_shap(self._question, rows, n_samples=self._n_samples, seed=self._seed)

    def interactions(self, X: Rows) -> explanations.Interactions:
        """SHAP interaction values: exact for trees, and for functions of a few players."""
        if self._trees is not None:
            explained = self._trees.interaction_values(X)
            if not self._groups:
                return explained
            owner = {column: group for group, columns in self._groups.items() for column in columns}
            return grouped.merged_interactions(
                explained, [owner.get(name, name) for name in self.feature_names]
            )
        return self._asked_interactions(self._matrix(X))

    def _explained(self, X: Rows) -> explanations.Explanation:
        if self._trees is None:
            return self.sampled(X).explanation
        explanation = self._trees.shap_values(X)
        if not self._groups:
            return explanation
        owner = {column: group for group, columns in self._groups.items() for column in columns}
        return grouped.by_mapping(explanation, owner)

    def _asked_interactions(self, rows: Floats) -> explanations.Interactions:
        question = cast(sampling.Question, self._question)
        names, members = games.players(self.feature_names, self._groups)
        if len(names) > _MOST_PLAYERS_OF_PAIRS:
            raise ValueError(
                f"interactions of {len(names)} players ask for 2**{len(names)} coalitions; "
                f"give feature_groups with at most {_MOST_PLAYERS_OF_PAIRS}"
            )
        bases = games.answered(question.predict, question.background, question.space).mean(axis=0)
        found = [
            games.exact_interactions(
                games.Game(
                    predict=question.predict,
                    row=row,
                    background=question.background,
                    members=members,
                    space=question.space,
                )
            )
            for row in rows
        ]
        values, single = np.array(found), len(bases) == 1
        repeated = np.tile(bases, (len(rows), 1))
        return explanations.Interactions(
            values=values[..., 0] if single else values,
            base_values=repeated[:, 0] if single else repeated,
            data=sampling.players_data(rows, names, members),
            feature_names=names,
        )

    def _matrix(self, rows: Rows) -> Floats:
        if self._frames is not None and frames.is_frame(rows):
            return self._frames.numbers(rows)
        if self._frames is not None and self._frames.has_texts:
            raise ValueError("the background is a data frame with texts, so the rows must be one too")
        if isinstance(rows, Table):
            absent = [name for name in self.feature_names if name not in rows.columns]
            if absent:
                raise ValueError(f"the rows lack the column {absent[0]!r} ({len(absent)} missing in all)")
            return np.column_stack([np.asarray(rows[name], dtype=np.float64) for name in self.feature_names])
        return np.atleast_2d(np.asarray(rows, dtype=np.float64))


def _trees(model: object, background: Rows | None, space: Space | None) -> trees.Explainer | None:
    """The exact explainer of a model that is a tree ensemble; None if it is not one."""
    if isinstance(model, trees.Explainer):
        if background is not None or space is not None:
            raise ValueError("a trees.Explainer has its background and space already: give them to it")
        return model
    if isinstance(model, trees.Ensemble):
        return _exact(model, background, space)
    try:
        ensemble = trees.load(cast(Any, model))
    except trees.ModelUnsupported:
        if callable(model) or isinstance(model, _Classifier | _Regressor):
            return None
        raise
    return _exact(ensemble, background, space)


def _exact(ensemble: trees.Ensemble, background: Rows | None, space: Space | None) -> trees.Explainer:
    if space == "log-odds" and ensemble.link.name != "logistic":
        raise ValueError(
            f"the margin of a model with the link {ensemble.link.name!r} is no log-odds; take space='margin'"
        )
    wanted = "margin" if space is None or space == "log-odds" else space
    if background is None:
        return trees.Explainer(ensemble, space=wanted)
    return trees.Explainer(ensemble, background, space=wanted)


def _space_of_answers(space: Space | None) -> games.Space:
    if space == "margin":
        raise ValueError("a model that is asked has no margin; take space='prediction' or space='log-odds'")
    return "log-odds" if space == "log-odds" else "prediction"


def _predict_function(model: object) -> games.Predict:
    if isinstance(model, _Classifier):
        classifier = model

        def positive(rows: Floats) -> Floats:
            """The probability of the second of two classes, or of every class."""
            shares = np.asarray(classifier.predict_proba(rows), dtype=np.float64)
            return shares[:, 1] if shares.ndim == 2 and shares.shape[1] == 2 else shares

        return positive
    if isinstance(model, _Regressor):
        return model.predict
    if callable(model):
        return cast(Callable[[Floats], npt.ArrayLike], model)
    raise TypeError(f"a {type(model).__name__} is neither a model nor a predict function")


def _frames(model: object, background: Rows, names: Sequence[str]) -> frames.Frames | None:
    """How to ask the model with frames; None where arrays are what it wants."""
    if not frames.is_frame(background):
        return None
    found = frames.Frames(cast(Any, background)[list(names)])
    return found if found.has_texts or hasattr(model, "feature_names_in_") else None


def _of_frames(predict: Callable[[Any], npt.ArrayLike], known: frames.Frames) -> games.Predict:
    return lambda rows: predict(known.frame(rows))


def _names(background: Rows) -> list[str]:
    if isinstance(background, Table):
        return [str(name) for name in background.columns]
    return [f"feature_{index}" for index in range(np.shape(np.atleast_2d(np.asarray(background)))[1])]
