"""Our explanations as the shap package's, for its plots. Without shap nothing here is used.

shap's plots ask for an instance of `shap.Explanation`. Where shap was imported, `compatible` gives an
explanation that is one of ours and one of theirs: our fields, and their slicing and arithmetic.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import sys
import types
from typing import Any

from glasskit.explain import explanations


def of(explanation: explanations.Explanation) -> Any:
    """The same as a plain `shap.Explanation` (shap must be installed)."""
    shap = importlib.import_module("shap")

    return shap.Explanation(
        values=explanation.values,
        base_values=explanation.base_values,
        data=explanation.data,
        feature_names=list(explanation.feature_names),
    )


def compatible(explanation: explanations.Explanation) -> explanations.Explanation:
    """The same, and an instance of `shap.Explanation` too if shap was imported."""
    shap = sys.modules.get("shap")
    if shap is None or not hasattr(shap, "Explanation"):
        return explanation
    fields = {field.name: getattr(explanation, field.name) for field in dataclasses.fields(explanation)}
    made: explanations.Explanation = _both(shap.Explanation)(**fields)
    return made


def _both(theirs: type) -> Any:
    """A class that is ours and theirs; whatever ours does not define is theirs, on a plain copy."""
    own = set(dir(explanations.Explanation)) - set(dir(object))
    names = {name for kind in theirs.__mro__[:-1] for name in vars(kind)} - own - _LEFT_ALONE
    body: dict[str, Any] = {
        name: _method(name) if inspect.isfunction(inspect.getattr_static(theirs, name)) else _attribute(name)
        for name in names
    }
    bases = (explanations.Explanation, theirs)
    return types.new_class("Explanation", bases, exec_body=lambda scope: scope.update(body))


_LEFT_ALONE = frozenset(
    "__class__ __dict__ __doc__ __init__ __module__ __new__ __slots__ __weakref__ __annotations__ "
    "__qualname__ __firstlineno__ __static_attributes__ __hash__ __repr__ __len__".split()
)


def _attribute(name: str) -> property:
    return property(lambda self: getattr(of(self), name))


def _method(name: str) -> Any:
    def call(self: explanations.Explanation, *given: Any, **named: Any) -> Any:
        return getattr(of(self), name)(*given, **named)

    return call
