"""Link functions: from a model's margin to the value it predicts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

LinkName = Literal["identity", "logistic", "softmax", "argmax", "exp", "log1p_exp", "signed_square", "step"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A named link; `scale` multiplies the margin first (LightGBM's `sigmoid` parameter)."""

    name: LinkName = "identity"
    scale: float = 1.0

    def apply(self, margins: Array) -> Array:
        """The predicted value of margins of shape (n,) or, with several outputs, (n, K)."""
        function = _FUNCTIONS[self.name]
        return function(margins * self.scale if self.scale != 1.0 else margins)


def named(name: str, scale: float) -> Link:
    """The link of that name. Raises ValueError for a name that is none."""
    for known in _FUNCTIONS:
        if known == name:
            return Link(name=known, scale=scale)
    raise ValueError(f"there is no link {name!r}")


def logistic(margins: Array) -> Array:
    """1 / (1 + exp(-margin)), without overflow.

    >>> logistic(np.array([-1000.0, 0.0, 1000.0])).tolist()
    [0.0, 0.5, 1.0]
    """
    small: Array = np.exp(-np.abs(margins))
    return np.asarray(np.where(margins >= 0, 1.0, small) / (1.0 + small))


def softmax(margins: Array) -> Array:
    """Probabilities of K classes; each row sums to one."""
    shifted = np.exp(margins - margins.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True))


def _argmax(margins: Array) -> Array:
    return np.asarray(np.argmax(margins, axis=-1), dtype=np.float64)


def _log1p_exp(margins: Array) -> Array:
    return np.asarray(np.logaddexp(0.0, margins))


def _signed_square(margins: Array) -> Array:
    return np.asarray(np.sign(margins) * margins * margins)


def _step(margins: Array) -> Array:
    return (margins > 0).astype(np.float64)


def _identity(margins: Array) -> Array:
    return margins.copy()


def _exp(margins: Array) -> Array:
    return np.asarray(np.exp(margins))


_FUNCTIONS: Mapping[LinkName, Callable[[Array], Array]] = {
    "identity": _identity,
    "logistic": logistic,
    "softmax": softmax,
    "argmax": _argmax,
    "exp": _exp,
    "log1p_exp": _log1p_exp,
    "signed_square": _signed_square,
    "step": _step,
}
