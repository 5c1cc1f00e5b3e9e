"""A model's trees, read from its own archive and checked against what the model itself answers.

Reading a model beside its server is sound only if both are the same function: a script may scale, clip or vote. So the
trees are asked about the same rows as the model, and are used only where they agree.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from glasskit import trees
from glasskit.trees import convert

Floats = npt.NDArray[np.float64]
Space = Literal["prediction", "margin"]

_TOLERANCE = 1e-4
"""Relative; XGBoost answers in float32, and some servers write six digits."""

_SMALLEST = 1e-6
_LARGEST_FILE = 2 * 1024**3
_SIGNS_OF_PICKLE = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
_CHECKED_ROWS = 24
_CONVERTED_WITHIN_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trees:
    """Trees that predict as the model does. space: whether the model answers margins or predictions."""

    explainer: trees.Explainer
    file: str
    space: Space

    def scores(self, matrix: Floats) -> Floats:
        """What the model answers; (n, K)."""
        return scored(self.explainer, matrix, self.space)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotUsed:
    """Why the trees of a model are not used, as the end of a sentence."""

    reason: str


def scored(explainer: trees.Explainer, matrix: Floats, space: Space) -> Floats:
    """(n, K)"""
    found = explainer.predict(matrix) if space == "prediction" else explainer.predict_margin(matrix)
    return found[:, np.newaxis] if found.ndim == 1 else found


Candidate = tuple[trees.Ensemble, str]
"""An ensemble, and the name of the file that holds it."""


def found_in(archive: Path, n_features: int) -> list[Candidate] | NotUsed:
    """The ensembles of that many features in a model's archive; at least one."""
    found: list[Candidate] = []
    why = "its archive holds no file that is a tree ensemble"
    try:
        for name, data in _files(archive):
            try:
                ensemble = _ensemble(data)
            except trees.ModelUnsupported as exc:
                why = f"{name} cannot be read as trees: {exc}"
                continue
            except trees.TreesError:
                continue
            if ensemble.n_features == n_features:
                found.append((ensemble, name))
            why = f"{name} has {ensemble.n_features} features, and the dataset {n_features}"
    except (tarfile.TarError, OSError, EOFError) as exc:
        why = f"its archive cannot be read: {exc}"
    return found or NotUsed(reason=why)


def _files(archive: Path) -> Iterator[tuple[str, bytes]]:
    """Regular files of the archive outside its code; nothing is unpacked to disk."""
    with tarfile.open(archive) as packed:
        for member in packed:
            parts = Path(member.name).parts
            if member.isfile() and member.size <= _LARGEST_FILE and "code" not in parts[:1]:
                file = packed.extractfile(member)
                if file is not None:
                    yield member.name.removeprefix("./"), file.read()


def _ensemble(data: bytes) -> trees.Ensemble:
    """Raises trees.TreesError."""
    return _converted(data) if data.startswith(_SIGNS_OF_PICKLE) else trees.load(data)


def _converted(data: bytes) -> trees.Ensemble:
    """The trees in a pickle. Only a job may open one, and it does so in a process of its own, without its keys."""
    with tempfile.TemporaryDirectory(prefix="model-") as folder:
        source, target = Path(folder) / "model", Path(folder) / "trees"
        source.write_bytes(data)
        try:
            done = subprocess.run(
                [sys.executable, "-m", convert.__name__, str(source), str(target)],
                env={convert.SANDBOX: "yes", "LANG": "C.UTF-8"},
                capture_output=True,
                text=True,
                timeout=_CONVERTED_WITHIN_S,
                check=False,
            )
        except subprocess.TimeoutExpired as exc:
            raise trees.ModelUnreadable("pickled", f"opening it took over {_CONVERTED_WITHIN_S:g} s") from exc
        if done.returncode or not target.is_file():
            said = done.stderr.strip().splitlines()
            raise trees.ModelUnsupported("A pickled model", said[-1] if said else "")
        return trees.load(target)


def checked(
    candidates: Sequence[Candidate], rows: Floats, ask: Callable[[Floats], Floats]
) -> Trees | NotUsed:
    """The first trees that answer as the model does on the rows."""
    answered, why = ask(rows), ""
    spaces: tuple[Space, ...] = ("prediction", "margin")
    for ensemble, file in candidates:
        explainer = trees.Explainer(ensemble)
        for space in spaces:
            own = scored(explainer, rows, space)
            if own.shape == answered.shape and np.allclose(own, answered, rtol=_TOLERANCE, atol=_SMALLEST):
                return Trees(explainer=explainer, file=file, space=space)
        why = why or _difference(scored(explainer, rows, "prediction"), answered, file)
    return NotUsed(reason=why)


def _difference(own: Floats, answered: Floats, file: str) -> str:
    if own.shape != answered.shape:
        return f"it answers {answered.shape[1]} scores a row, and the trees in {file} {own.shape[1]}"
    worst = int(np.abs(own - answered).max(axis=1).argmax())
    return (
        f"it answers {answered[worst, 0]:.6g} where the trees in {file} say {own[worst, 0]:.6g}, "
        "so something beside the trees has a say"
    )


def sample(matrix: Floats, baseline: Floats, *, seed: int) -> Floats:
    """Rows for the check: some of the dataset, all columns shuffled of some, and the first of the baseline."""
    random = np.random.default_rng(seed)
    some = matrix[np.linspace(0, len(matrix) - 1, min(_CHECKED_ROWS, len(matrix))).astype(int)]
    mixed = np.column_stack([random.permutation(some[:, at]) for at in range(some.shape[1])])
    return np.concatenate([some, mixed, baseline[:_CHECKED_ROWS]])
