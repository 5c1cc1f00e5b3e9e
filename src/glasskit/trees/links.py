"""Link functions: from a model's margin to the value it predicts, with the same bits on every machine.

The source libraries call the C library's exp, or compute in float32 (XGBoost). Ours is within 1 unit in
the last place of the true value, hence within a few (float64 libraries) or within 1e-7 of the value
(XGBoost, whose margins are float32 sums already) of what they say.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt

from glasskit import exponentials
from glasskit.trees import kernel

Array = npt.NDArray[np.float64]

LinkName = Literal["identity", "logistic", "softmax", "argmax", "exp", "log1p_exp", "signed_square", "step"]


_NEAR = 1e-5
"""Margins nearer than this are so near that the slope between them is the one in their middle, to 1e-11."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A named link; `scale` multiplies the margin first (LightGBM's `sigmoid` parameter)."""

    name: LinkName = "identity"
    scale: float = 1.0

    def apply(self, margins: Array) -> Array:
        """The predicted value of margins of shape (n,) or, with several outputs, (n, K)."""
        function = _FUNCTIONS[self.name]
        return function(margins * self.scale if self.scale != 1.0 else margins)

    @property
    def has_slopes(self) -> bool:
        """Whether the link acts on every margin alone, and steadily."""
        return self.name in _SLOPES

    def slopes(self, margins: Array, others: Array) -> Array:
        """(link(m) - link(o)) / (m - o), and link'((m + o) / 2) where both are almost equal; elementwise.

        Raises ValueError for a link that does not act on each margin alone, or that has no slope.
        """
        if not self.has_slopes:
            raise ValueError(f"the link {self.name!r} has no slope")
        apart = margins - others
        is_near = np.abs(apart * self.scale) < _NEAR
        rise = self.apply(margins) - self.apply(others)
        slope = self.scale * _SLOPES[self.name](self.scale * (margins + others) / 2.0)
        return np.asarray(np.where(is_near, slope, rise / np.where(is_near, 1.0, apart)))


def named(name: str, scale: float) -> Link:
    """The link of that name. Raises ValueError for a name that is none."""
    for known in _FUNCTIONS:
        if known == name:
            return Link(name=known, scale=scale)
    raise ValueError(f"there is no link {name!r}")


def _transcendental(name: Literal["exp", "logistic", "log1p_exp", "softmax"], margins: Array) -> Array:
    """The function of `glasskit.exponentials`, by the kernel where there is one: the same bits."""
    engine = kernel.load()
    if engine is None or not margins.size:
        in_numpy: Callable[[Array], Array] = getattr(exponentials, name)
        return in_numpy(margins) if margins.size else margins.copy()
    given = np.ascontiguousarray(margins, dtype=np.float64)
    out = np.empty_like(given)
    n_each = given.shape[-1] if given.ndim else 1
    getattr(engine.library, f"glasskit_{name}")(
        exponentials.constants().ctypes.data,
        given.ctypes.data,
        given.size // n_each,
        n_each,
        out.ctypes.data,
    )
    return out


def _logistic(margins: Array) -> Array:
    return _transcendental("logistic", margins)


def _softmax(margins: Array) -> Array:
    return _transcendental("softmax", margins)


def _argmax(margins: Array) -> Array:
    return np.asarray(np.argmax(margins, axis=-1), dtype=np.float64)


def _log1p_exp(margins: Array) -> Array:
    return _transcendental("log1p_exp", margins)


def _signed_square(margins: Array) -> Array:
    return np.asarray(np.sign(margins) * margins * margins)


def _step(margins: Array) -> Array:
    return (margins > 0).astype(np.float64)


def _identity(margins: Array) -> Array:
    return margins.copy()


def _exp(margins: Array) -> Array:
    return _transcendental("exp", margins)


_FUNCTIONS: Mapping[LinkName, Callable[[Array], Array]] = {
    "identity": _identity,
    "logistic": _logistic,
    "softmax": _softmax,
    "argmax": _argmax,
    "exp": _exp,
    "log1p_exp": _log1p_exp,
    "signed_square": _signed_square,
    "step": _step,
}


def _logistic_slope(margins: Array) -> Array:
    return np.asarray(_logistic(margins) * _logistic(-margins))


_SLOPES: Mapping[LinkName, Callable[[Array], Array]] = {
    "identity": np.ones_like,
    "logistic": _logistic_slope,
    "exp": _exp,
    "log1p_exp": _logistic,
    "signed_square": lambda margins: np.asarray(2.0 * np.abs(margins)),
}
