"""A model file -> its trees. Nothing that the file holds is run here; a pickle goes to a sandbox."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from glasskit import trees
from glasskit.analyses import questions

_PICKLED = frozenset({".pkl", ".pickle", ".joblib", ".sav"})
_SIGNS = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


def read(path: Path, convert: Callable[[Path], bytes]) -> trees.Ensemble:
    """The trees of a model file. Raises Unanswerable or trees.TreesError naming the file."""
    if not path.exists():
        raise questions.Unanswerable(f"there is no file {path}")
    if not path.is_file():
        raise questions.Unanswerable(f"{path} is no file")
    if not path.stat().st_size:
        raise questions.Unanswerable(f"{path.name} is empty")
    if is_pickled(path):
        return trees.load(convert(path))
    try:
        return trees.load(path)
    except trees.TreesError as error:
        raise questions.Unanswerable(f"{path.name}: {error}") from error


def is_pickled(path: Path) -> bool:
    """Whether the file is a pickle or a joblib file, by its name or its first bytes."""
    with path.open("rb") as file:
        return path.suffix.lower() in _PICKLED or file.read(2) in _SIGNS


def output_of(ensemble: trees.Ensemble, wanted: int | None) -> int | None:
    """Which output is meant; None where there is one. Raises Unanswerable."""
    if ensemble.n_outputs == 1:
        if wanted not in (None, 0):
            raise questions.Unanswerable(f"the model has one output, so there is no class {wanted}")
        return None
    if wanted is None:
        raise questions.Unanswerable(
            f"the model has {ensemble.n_outputs} classes; choose one with --class 0 to --class {ensemble.n_outputs - 1}"
        )
    if not 0 <= wanted < ensemble.n_outputs:
        raise questions.Unanswerable(f"the model has no class {wanted}, only 0 to {ensemble.n_outputs - 1}")
    return wanted
