"""scikit-learn's estimators read from live objects: they predict and explain as scikit-learn and shap do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn import ensemble, linear_model, tree

from glasskit import trees

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def rows(*, missing: bool) -> np.ndarray:
    random = np.random.default_rng(4)
    drawn = random.normal(size=(400, 6))
    drawn[:, 2] = random.integers(0, 12, len(drawn))
    if missing:
        drawn[random.random(drawn.shape) < 0.1] = np.nan
    return drawn


def labels(drawn: np.ndarray, n_classes: int) -> np.ndarray:
    noise = np.random.default_rng(1).normal(size=len(drawn))
    score = np.nan_to_num(drawn[:, 0] * drawn[:, 1]) + np.isin(drawn[:, 2], [1, 4, 9]) + 0.3 * noise
    if not n_classes:
        return score
    return np.digitize(score, np.quantile(score, np.arange(1, n_classes) / n_classes))


ESTIMATORS: dict[str, tuple[Any, int, bool]] = {
    "tree": (tree.DecisionTreeClassifier(max_depth=5, random_state=0), 2, True),
    "tree for numbers": (tree.DecisionTreeRegressor(max_depth=5, random_state=0), 0, True),
    "extra tree": (tree.ExtraTreeRegressor(max_depth=5, random_state=0), 0, False),
    "forest": (ensemble.RandomForestClassifier(20, max_depth=6, random_state=0), 2, True),
    "forest of three classes": (ensemble.RandomForestClassifier(10, max_depth=5, random_state=0), 3, True),
    "forest for numbers": (ensemble.RandomForestRegressor(20, max_depth=6, random_state=0), 0, True),
    "extra trees": (ensemble.ExtraTreesClassifier(20, max_depth=6, random_state=0), 2, False),
    "boosting": (ensemble.GradientBoostingClassifier(n_estimators=20, random_state=0), 2, False),
    "boosting three": (ensemble.GradientBoostingClassifier(n_estimators=10, random_state=0), 3, False),
    "ada": (ensemble.GradientBoostingClassifier(loss="exponential", n_estimators=9, random_state=0), 2, False),
    "from nothing": (ensemble.GradientBoostingRegressor(init="zero", n_estimators=9, random_state=0), 0, False),
    "boosting numbers": (ensemble.GradientBoostingRegressor(n_estimators=20, random_state=0), 0, False),
    "histogram": (ensemble.HistGradientBoostingClassifier(max_iter=20, random_state=0), 2, True),
    "histogram three": (ensemble.HistGradientBoostingClassifier(max_iter=8, random_state=0), 3, True),
    "histogram poisson": (ensemble.HistGradientBoostingRegressor(loss="poisson", max_iter=9), 0, True),
    "categories": (ensemble.HistGradientBoostingRegressor(categorical_features=[2], max_iter=20), 0, True),
}  # fmt: skip


@pytest.mark.parametrize("name", ESTIMATORS)
def test_an_estimator_predicts_the_same_here(name: str) -> None:
    estimator, n_classes, missing = ESTIMATORS[name]
    drawn = rows(missing=missing)
    target = np.abs(labels(drawn, n_classes))
    estimator.fit(drawn, target)
    asked = drawn[:50].copy()
    if name == "categories":
        asked[:4, 2] = [77, -3, 11, np.nan]
    theirs = estimator.predict_proba(asked) if n_classes else estimator.predict(asked)
    explainer = trees.Explainer(trees.load(estimator))
    ours = explainer.predict(asked)
    np.testing.assert_allclose(ours, theirs[:, 1] if n_classes == 2 else theirs, rtol=1e-12, atol=1e-14)
    slow = trees.Explainer(explainer.ensemble, backend="reference")
    values = explainer.shap_values(asked).values
    np.testing.assert_allclose(values, slow.shap_values(asked).values, rtol=0, atol=1e-12)


def test_a_forest_is_explained_as_shap_explains_it() -> None:
    shap = pytest.importorskip("shap")
    estimator, n_classes, _ = ESTIMATORS["forest of three classes"]
    drawn = rows(missing=False)
    estimator.fit(drawn, labels(drawn, n_classes))
    theirs = shap.TreeExplainer(estimator).shap_values(drawn[:30])
    ours = trees.Explainer(trees.load(estimator)).shap_values(drawn[:30]).values
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)


def test_what_is_no_plain_tree_ensemble_is_refused_by_name() -> None:
    drawn = rows(missing=False)
    with pytest.raises(trees.ModelUnsupported, match="IsolationForest"):
        trees.load(ensemble.IsolationForest(n_estimators=2).fit(drawn))
    with pytest.raises(trees.ModelUnsupported, match="several targets"):
        trees.load(tree.DecisionTreeRegressor().fit(drawn, drawn[:, :2]))
    start = linear_model.LinearRegression()
    started = ensemble.GradientBoostingRegressor(init=start, n_estimators=2).fit(drawn, drawn[:, 0])
    with pytest.raises(trees.ModelUnsupported, match="another estimator"):
        trees.load(started)
    with pytest.raises(trees.ModelUnreadable, match="fitted"):
        trees.load(ensemble.RandomForestClassifier())
    with pytest.raises(trees.ModelUnsupported, match="LinearRegression"):
        trees.load(linear_model.LinearRegression())
