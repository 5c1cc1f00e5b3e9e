"""The notebook library: algorithms, explanations, charts and metrics, with no server behind them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from glasskit.explainers import Explainer

__all__ = ["Explainer"]


def __getattr__(name: str) -> object:
    """`glasskit.Explainer`, imported when it is first asked for: containers start without it."""
    if name != "Explainer":
        raise AttributeError(f"module 'glasskit' has no attribute {name!r}")
    return importlib.import_module("glasskit.explainers").Explainer
