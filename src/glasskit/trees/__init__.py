"""Tree ensembles read without pickles, evaluated deterministically and explained exactly.

>>> import numpy as np
>>> from glasskit import trees
>>> stump = trees.Tree(
...     feature=[0, -1, -1], test=[0, 0, 0], threshold=[0.5, 0, 0], missing=[2, 0, 0],
...     default_left=[True, False, False], left=[1, -1, -1], right=[2, -1, -1],
...     value=[0.0, -1.0, 3.0], cover=[4.0, 3.0, 1.0],
... )
>>> explainer = trees.Explainer(trees.Ensemble(trees=(stump,), feature_names=("income",)))
>>> explainer.expected_value, explainer.shap_values(np.array([[1.0]])).values.tolist()
(0.0, [[3.0]])
"""

from glasskit.trees.batch import explain_parquet
from glasskit.trees.ensembles import Ensemble, Missing, Test, Tree
from glasskit.trees.errors import (
    AdditivityViolated,
    BadInput,
    ModelUnreadable,
    ModelUnsupported,
    TreesError,
)
from glasskit.trees.explainer import Explainer, backend
from glasskit.trees.links import Link
from glasskit.trees.load import load
from glasskit.trees.portable import digest, save

__all__ = [
    "AdditivityViolated",
    "BadInput",
    "Ensemble",
    "Explainer",
    "Link",
    "Missing",
    "ModelUnreadable",
    "ModelUnsupported",
    "Test",
    "Tree",
    "TreesError",
    "backend",
    "digest",
    "explain_parquet",
    "load",
    "save",
]
