"""Built-in algorithms: a name stands for a module that is loaded when it is first asked for.

An algorithm `x` is two modules: `x_hyperparameters` with `SCHEMA` and `METRIC_PATTERNS`, which needs no library, and
`x` with `train(job)` and `load(model_dir)`, which does; see `contract`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from glasskit.algorithms import contract, hyperparameters

__all__ = ["find", "metric_patterns", "names", "schema", "start_fast"]

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


def schema(name: str) -> hyperparameters.Schema:
    """The algorithm's hyperparameters, without loading its library. Raises KeyError."""
    return cast("hyperparameters.Schema", importlib.import_module(f"{_MODULES[name]}_hyperparameters").SCHEMA)


def metric_patterns(name: str) -> Mapping[str, str]:
    """Metric name -> regular expression for the log, without loading the algorithm's library. Raises KeyError."""
    module = importlib.import_module(f"{_MODULES[name]}_hyperparameters")
    return cast("Mapping[str, str]", module.METRIC_PATTERNS)


def start_fast() -> None:
    """Hides scikit-learn from this process, before an algorithm is first asked for.

    XGBoost and LightGBM import scikit-learn when they find it, for wrapper classes that we do not use. That takes
    three quarters of their start-up (1.2 s, or 0.3 s without), which a job and an endpoint wait for.
    """
    sys.modules.setdefault("sklearn", None)  # type: ignore[arg-type]  # None makes an import fail, as documented
