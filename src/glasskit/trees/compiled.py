"""An ensemble compiled for the kernel: the same results as the reference, about a thousand times faster."""

from __future__ import annotations

import ctypes
import threading
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from glasskit.trees import columns, errors, evaluate, kernel, quadrature

Matrix = npt.NDArray[np.float64]

MOST_LEVELS = 500
"""Deeper trees are left to the reference: the kernel recurses."""

_NOTHING_WRONG = -1
_NO_MEMORY = -2
_TOO_LARGE = 2


class Compiled:
    """What the kernel knows of one ensemble. Safe to use from several threads."""

    def __init__(self, forest: evaluate.Forest, engine: kernel.Kernel, level: int | None = None) -> None:
        self._library = engine.library
        self._level = engine.level if level is None else level
        self.name = f"C ({kernel.LEVELS[self._level]})"
        self._n_outputs = forest.ensemble.n_outputs
        self._model = _built(forest, engine)
        self._pairs = threading.Lock()
        self._has_pairs = False
        weakref.finalize(self, engine.library.glasskit_free, self._model)

    @property
    def size_bytes(self) -> int:
        """Memory that the compiled ensemble takes."""
        return int(self._library.glasskit_bytes(self._model))

    def expected(self) -> Matrix:
        """The base value of every output."""
        bases = np.empty(self._n_outputs)
        self._library.glasskit_expected(self._model, _address(bases))
        return bases

    def margins(self, matrix: Matrix, margins: Matrix) -> None:
        """Fills in the margins (n, K)."""
        _check_memory(
            self._library.glasskit_margins(
                self._model, self._level, _address(matrix), len(matrix), _address(margins)
            )
        )

    def shap(self, matrix: Matrix, values: Matrix, margins: Matrix) -> None:
        """Fills in SHAP values (n, F, K) and margins (n, K). Raises AdditivityViolated."""
        wrong = self._library.glasskit_shap(
            self._model, self._level, _address(matrix), len(matrix), _address(values), _address(margins)
        )
        _check(wrong, values, margins, self.expected)

    def interactions(self, matrix: Matrix, values: Matrix, margins: Matrix) -> None:
        """Fills in interaction values (n, F, F, K) and margins (n, K). Raises AdditivityViolated."""
        with self._pairs:
            if not self._has_pairs:
                _check_memory(self._library.glasskit_prepare_pairs(self._model))
                self._has_pairs = True
        wrong = self._library.glasskit_interactions(
            self._model, self._level, _address(matrix), len(matrix), _address(values), _address(margins)
        )
        _check(wrong, values, margins, self.expected)

    def tables(self, background: Matrix | None, most_bytes: int) -> Tables | None:
        """Lookup tables for this ensemble, or None where they would take more than `most_bytes`."""
        why = ctypes.c_int32(0)
        made = self._library.glasskit_tables(
            self._model,
            None if background is None else _address(background),
            0 if background is None else len(background),
            most_bytes,
            ctypes.byref(why),
        )
        if made:
            return Tables(self, int(made))
        if why.value == _TOO_LARGE:
            return None
        raise MemoryError("The tables need more memory than there is.")


class Tables:
    """An ensemble whose explanations were computed beforehand: the quickest for single rows and for backgrounds."""

    def __init__(self, model: Compiled, tables: int) -> None:
        self.name = f"{model.name}, tables"
        self._model = model  # the tables refer to it
        self._tables = tables
        self._library = model._library
        self._level = model._level
        weakref.finalize(self, _free_tables, model, tables)

    @property
    def size_bytes(self) -> int:
        """Memory that the tables and the compiled ensemble take."""
        return int(self._library.glasskit_tables_bytes(self._tables)) + self._model.size_bytes

    def expected(self) -> Matrix:
        """The base value of every output."""
        bases = self._model.expected()
        self._library.glasskit_tables_expected(self._tables, _address(bases))
        return bases

    def margins(self, matrix: Matrix, margins: Matrix) -> None:
        """Fills in the margins (n, K)."""
        self._model.margins(matrix, margins)

    def shap(self, matrix: Matrix, values: Matrix, margins: Matrix) -> None:
        """Fills in SHAP values (n, F, K) and margins (n, K). Raises AdditivityViolated."""
        wrong = self._library.glasskit_lookup(
            self._tables, self._level, _address(matrix), len(matrix), _address(values), _address(margins)
        )
        _check(wrong, values, margins, self.expected)

    def interactions(self, matrix: Matrix, values: Matrix, margins: Matrix) -> None:
        """Path-dependent interactions, which no table holds: computed."""
        self._model.interactions(matrix, values, margins)


def _free_tables(model: Compiled, tables: int) -> None:
    model._library.glasskit_free_tables(tables)


def _check(wrong: int, values: Matrix, margins: Matrix, expected: Callable[[], Matrix]) -> None:
    if wrong == _NOTHING_WRONG:
        return
    _check_memory(wrong)
    bases = expected()
    row, output = divmod(wrong, len(bases))
    with np.errstate(all="ignore"):
        explained = float(values[row, ..., output].sum() + bases[output])
    raise errors.AdditivityViolated(row=row, margin=float(margins[row, output]), explained=explained)


def _check_memory(status: int) -> None:
    if status == _NO_MEMORY:
        raise MemoryError("The explanation needs more memory than there is.")


def compiled(forest: evaluate.Forest) -> Compiled | None:
    """The ensemble compiled, or None where only the reference can explain it."""
    engine = kernel.load()
    if engine is None or forest.depth > MOST_LEVELS:
        return None
    return Compiled(forest, engine)


def _built(forest: evaluate.Forest, engine: kernel.Kernel) -> int:
    decided = columns.decisions(forest)
    ensemble = forest.ensemble
    trees = ensemble.trees
    inner = forest.left != np.arange(len(forest.left))
    most_points = (min(forest.depth, ensemble.n_features) + 1) // 2
    rules = [quadrature.gauss_legendre(n_points) for n_points in range(1, most_points + 1)]
    arrays: dict[str, npt.NDArray[Any]] = {
        "roots": forest.roots.astype(np.int64),
        "outputs": np.array([tree.output for tree in trees], dtype=np.int32),
        "left": np.where(inner, forest.left, -1).astype(np.int32),
        "right": np.where(inner, forest.right, -1).astype(np.int32),
        "column": decided.column,
        "feature": forest.feature.astype(np.int32),
        "threshold": decided.threshold,
        "value": forest.value,
        "cover": np.concatenate([np.empty(0), *(tree.cover for tree in trees)]),
        "columns": decided.columns,
        "categories": decided.categories,
        "points": np.concatenate([np.empty(0), *(points for points, _ in rules)]),
        "weights": np.concatenate([np.empty(0), *(weights for _, weights in rules)]),
        "base_scores": np.array(ensemble.base_scores),
    }
    description = kernel.Description(
        n_trees=len(trees),
        n_nodes=len(forest.feature),
        n_columns=len(decided.columns),
        n_features=ensemble.n_features,
        n_outputs=ensemble.n_outputs,
        n_categories=len(decided.categories),
        most_points=most_points,
        divisor=ensemble.divisor,
        float32_inputs=int(ensemble.float32_inputs),
        **{name: _address(array) for name, array in arrays.items()},
    )
    model = engine.library.glasskit_build(ctypes.byref(description))
    if not model:
        raise MemoryError("The compiled ensemble needs more memory than there is.")
    return int(model)


def _address(array: npt.NDArray[Any]) -> int:
    """Where a contiguous array's numbers begin."""
    return int(array.ctypes.data)
