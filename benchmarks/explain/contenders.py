"""What every contender does to explain rows. Runs in the contender's own environment, so imports happen late."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.float64]
Explain = Callable[[Rows], Any]
"""Rows -> SHAP values (n, F) or interactions (n, F, F) of one output; or None where they are only made."""
Kind = Literal["values", "interactions", "background"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One model and one kind of explanation; background rows for the last kind."""

    model: str
    kind: Kind
    folder: Path
    background: Rows | None


def fitted(task: Task) -> Any:
    """The model as its own library loads it."""
    if task.model.startswith("LightGBM"):
        import lightgbm

        return lightgbm.Booster(model_file=str(task.folder / "model.txt"))
    if task.model.startswith("XGBoost"):
        import xgboost

        booster = xgboost.Booster({"nthread": 1})
        booster.load_model(task.folder / "model.json")
        return booster
    import pickle

    return pickle.loads((task.folder / "model.pickle").read_bytes())  # written by this very run


def _of_one_class(values: Any) -> Any:
    """The second class of a forest's two."""
    array = np.asarray(values)
    return array[..., 1] if array.ndim == 3 and array.shape[-1] == 2 else array


def glasskit(task: Task, *, tables: bool = False, n_threads: int = 1) -> Explain:
    from glasskit import trees

    ensemble = trees.load(fitted(task))
    wanted = tables or task.background is not None
    explainer = trees.Explainer(ensemble, task.background, tables=wanted, n_threads=n_threads)
    _ = explainer.expected_value
    if task.kind == "interactions":
        return lambda rows: explainer.interaction_values(rows).values
    return lambda rows: explainer.shap_values(rows).values


def glasskit_tables(task: Task) -> Explain:
    return glasskit(task, tables=True)


def glasskit_two_threads(task: Task) -> Explain:
    return glasskit(task, n_threads=2)


def shap(task: Task) -> Explain:
    import shap as package

    model = fitted(task)
    if task.background is None:
        explainer = package.TreeExplainer(model)
    else:
        every_row = package.maskers.Independent(task.background, max_samples=len(task.background))
        explainer = package.TreeExplainer(model, every_row, feature_perturbation="interventional")
    if task.kind == "interactions":
        return lambda rows: explainer.shap_interaction_values(rows)
    return lambda rows: _of_one_class(explainer.shap_values(rows, check_additivity=False))


def lightgbm(task: Task) -> Explain:
    model = fitted(task)
    return lambda rows: model.predict(rows, pred_contrib=True, num_threads=1)[:, :-1]


def xgboost(task: Task) -> Explain:
    import xgboost as package

    model = fitted(task)
    if task.kind == "interactions":
        return lambda rows: model.predict(package.DMatrix(rows, nthread=1), pred_interactions=True)[
            :, :-1, :-1
        ]
    return lambda rows: model.predict(package.DMatrix(rows, nthread=1), pred_contribs=True)[:, :-1]


def fasttreeshap(task: Task) -> Explain:
    import fasttreeshap_fixed as package

    explainer = package.TreeExplainer(fitted(task), algorithm="auto", n_jobs=1)
    return lambda rows: _of_one_class(explainer.shap_values(rows, check_additivity=False))


def woodelf(task: Task) -> Explain:
    import pandas
    import woodelf as package

    known = None if task.background is None else pandas.DataFrame(task.background)
    explainer = package.WoodelfExplainer(fitted(task), known)
    explain = explainer.shap_interaction_values if task.kind == "interactions" else explainer.shap_values
    return lambda rows: _of_one_class(explain(pandas.DataFrame(rows), verbose=False))


def shapiq(task: Task) -> Explain:
    import shapiq as package

    model = fitted(task)
    pairs = task.kind == "interactions"
    given: dict[str, Any] = {"max_order": 2, "index": "k-SII"} if pairs else {"max_order": 1, "index": "SV"}
    if task.background is not None:
        given |= {"mode": "interventional", "reference_dataset": task.background}
    if task.model.startswith("RandomForest"):
        given["class_index"] = 1
    explainer = package.TreeExplainer(model, **given)

    def explain(rows: Rows) -> Any:
        if len(rows) == 1:
            return None if pairs else _first_order([explainer.explain(rows[0])])
        batch = explainer.explain_X(rows)
        return None if pairs or len(rows) > 64 else _first_order(batch)

    return explain


def _first_order(explained: Any) -> Any:
    return np.stack([each.get_n_order_values(1) for each in explained])


OWN = {"glasskit": glasskit, "glasskit, tables": glasskit_tables, "glasskit, 2 threads": glasskit_two_threads}
PEERS: dict[str, Callable[[Task], Explain]] = {
    "shap": shap,
    "lightgbm": lightgbm,
    "xgboost": xgboost,
    "fasttreeshap": fasttreeshap,
    "woodelf": woodelf,
    "shapiq": shapiq,
}
