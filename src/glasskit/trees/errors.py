"""Every error of the tree evaluator.

TreesError                 a ValueError: something about a model or its input is not as it must be
├── ModelUnreadable        the bytes are not a model we can read, or contradict themselves
├── ModelUnsupported       a well-formed model of a kind that is refused on purpose
├── BadInput               the rows do not fit the model; names the column and the row
└── AdditivityViolated     contributions and base value do not add up to the margin
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


class TreesError(ValueError):
    """Root of the evaluator's errors."""


class ModelUnreadable(TreesError):
    """The bytes are not a model, or contradict themselves."""

    def __init__(self, format_name: str, reason: str) -> None:
        super().__init__(f"This is not a readable {format_name} model: {reason}.")
        self.format_name = format_name
        self.reason = reason


class ModelUnsupported(TreesError):
    """A well-formed model of a kind that is refused on purpose."""

    def __init__(self, what: str, instead: str = "") -> None:
        super().__init__(f"{what} cannot be evaluated here." + (f" {instead}" if instead else ""))
        self.what = what


class BadInput(TreesError):
    """The rows do not fit the model."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)


class AdditivityViolated(TreesError):
    """Contributions and base value do not add up to the margin."""

    def __init__(self, *, row: int, margin: float, explained: float) -> None:
        super().__init__(
            f"The explanation of row {row} adds up to {explained!r}, but the model's margin is {margin!r}."
        )
        self.row = row
        self.margin = margin
        self.explained = explained

    def moved(self, n_rows: int) -> AdditivityViolated:
        """The same, seen from `n_rows` rows further up."""
        return AdditivityViolated(row=self.row + n_rows, margin=self.margin, explained=self.explained)


@contextlib.contextmanager
def in_tree(format_name: str, index: int) -> Iterator[None]:
    """Says of a ModelUnreadable in which tree it was found."""
    try:
        yield
    except ModelUnreadable as exc:
        raise ModelUnreadable(format_name, f"tree {index}: {exc.reason}") from exc
