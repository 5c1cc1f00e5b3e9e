"""Made-up rows of 30 features; NumPy alone, for every environment draws the same ones."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

N_FEATURES = 30


def rows(n: int, *, seed: int = 0) -> npt.NDArray[np.float64]:
    """n rows of standard normal numbers."""
    return np.random.default_rng(seed).normal(size=(n, N_FEATURES))
