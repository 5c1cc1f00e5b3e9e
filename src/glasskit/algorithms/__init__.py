"""Built-in algorithms: a name stands for a module that is loaded when it is first asked for.

An algorithm's module has `SCHEMA` (a hyperparameters.Schema), `train(job)` and `load(model_dir)`; see `contract`.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from glasskit.algorithms import contract

__all__ = ["find", "names", "start_fast"]

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


def start_fast() -> None:
    """Hides scikit-learn from this process, before an algorithm is first asked for.

    XGBoost and LightGBM import scikit-learn when they find it, for wrapper classes that we do not use. That takes
    three quarters of their start-up (1.2 s, or 0.3 s without), which a job and an endpoint wait for.
    """
    sys.modules.setdefault("sklearn", None)  # type: ignore[arg-type]  # None makes an import fail, as documented
