"""A small table that a tree can learn: the label first, no header, as the built-in algorithm wants it."""

import numpy as np


def rows(n_rows: int, *, seed: int = 7) -> np.ndarray:
    """(n_rows, 6): a 0/1 label and five features of which three matter."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(n_rows, 5)).round(6)
    label = (features[:, 0] + features[:, 1] * features[:, 2] > 0).astype(float)
    return np.column_stack([label, features])


def csv(table: np.ndarray) -> str:
    return "".join(",".join(f"{value:.6g}" for value in row) + "\n" for row in table)
