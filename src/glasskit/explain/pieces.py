"""A thing cut into pieces, each of which is there or not: what texts and images have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from glasskit.explain import games, sampling

AskedMethod = Literal["kernel", "permutation"]


def solved(
    worth: Callable[[games.Bools], games.Floats],
    names: Sequence[str],
    *,
    method: AskedMethod,
    n_samples: int | None,
    seed: int,
    space: games.Space,
) -> sampling.Sampled:
    """The Shapley values of named pieces; worth: (n, M) bools, true where a piece is there -> (n, K).

    n_samples: coalitions asked about, 2 M + 2048 if None; exact where that is all there are. Permutation
    SHAP asks about as many, in n_samples / 2 M orders and their reverses.
    """
    question = sampling.Question(
        predict=lambda rows: worth(rows > 0.5),
        background=np.zeros((1, len(names))),
        feature_names=names,
        space=space,
    )
    whole = np.ones((1, len(names)))
    if method == "permutation":
        budget = 2 * len(names) + 2048 if n_samples is None else n_samples
        n_orders = max(2, budget // (2 * len(names)))
        return sampling.permutation_shap(question, whole, n_permutations=n_orders, seed=seed)
    if method != "kernel":
        raise ValueError(f"the method is {method!r}, but must be kernel or permutation")
    return sampling.kernel_shap(question, whole, n_samples=n_samples, seed=seed)


def answered(answers: npt.ArrayLike, n_asked: int) -> games.Floats:
    """A predict function's answers to one batch as (n, K); raises BadPredictions if they are not so many."""
    found = np.asarray(answers, dtype=np.float64)
    if found.ndim not in (1, 2) or len(found) != n_asked:
        raise games.BadPredictions(f"answers {n_asked} inputs with the shape {found.shape}")
    return found.reshape(n_asked, -1)
