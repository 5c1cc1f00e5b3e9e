"""Recourse: the nearest changes that turn a decision of a tree ensemble, or the proof that there are none.

>>> import numpy as np
>>> from glasskit import recourse, trees
>>> stump = trees.Tree(
...     feature=[0, -1, -1], test=[0, 0, 0], threshold=[2000.0, 0, 0], missing=[2, 0, 0],
...     default_left=[True, False, False], left=[1, -1, -1], right=[2, -1, -1],
...     value=[0.0, -1.0, 3.0], cover=[4.0, 3.0, 1.0],
... )
>>> model = trees.Ensemble(trees=(stump,), feature_names=("amount",))
>>> asked = recourse.find(model, [5000.0], [recourse.Number(column="amount", step=100.0)], at_most=0.0)
>>> asked.status, asked.options[0].changes
('optimal', {'amount': (5000.0, 2000.0)})
"""

from glasskit.recourse.constraints import Constraints, ConstraintsInvalid
from glasskit.recourse.levers import Choice, Lever, LeverInvalid, Number
from glasskit.recourse.nearest import Counterfactual, Recourse, Status, find

__all__ = [
    "Choice",
    "Constraints",
    "ConstraintsInvalid",
    "Counterfactual",
    "Lever",
    "LeverInvalid",
    "Number",
    "Recourse",
    "Status",
    "constraints",
    "find",
]
