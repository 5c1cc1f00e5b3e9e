"""Built-in algorithms: a name stands for a module that is loaded when it is first asked for.

An algorithm's module has `SCHEMA` (a hyperparameters.Schema), `train(job)` and `load(model_dir)`; see `contract`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from glasskit.algorithms import contract

__all__ = ["find", "names"]

_MODULES = {
    "xgboost": "glasskit.algorithms.xgboost",
    "lightgbm": "glasskit.algorithms.lightgbm",
}


def names() -> tuple[str, ...]:
    """The names of all built-in algorithms."""
    return tuple(_MODULES)


def find(name: str) -> contract.Algorithm:
    """The algorithm's module. Raises KeyError for an unknown name."""
    return cast("contract.Algorithm", importlib.import_module(_MODULES[name]))
