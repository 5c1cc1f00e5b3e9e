"""The compiled kernel behind `glasskit.trees`: exact explanations with eight rows side by side.

The C sources stand beside this file; model.h has the mathematics. The package's build compiles them
(compiling.py). Where there is no library, `load` says why and the NumPy reference does the work.
"""

from __future__ import annotations

import ctypes
import dataclasses
import functools
import logging

from glasskit.trees.kernel import compiling

log = logging.getLogger(__name__)

LEVELS = ("plain", "AVX2", "AVX-512")
"""Instruction sets, by number; every one gives the same bits."""

_SIGNATURES: dict[str, tuple[object, list[object]]] = {
    "glasskit_best_level": (ctypes.c_int32, []),
    "glasskit_build": (ctypes.c_void_p, [ctypes.c_void_p]),
    "glasskit_free": (None, [ctypes.c_void_p]),
    "glasskit_bytes": (ctypes.c_int64, [ctypes.c_void_p]),
    "glasskit_expected": (None, [ctypes.c_void_p] * 2),
    "glasskit_prepare_pairs": (ctypes.c_int64, [ctypes.c_void_p]),
    "glasskit_shap": (
        ctypes.c_int64,
        [ctypes.c_void_p, ctypes.c_int32, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p],
    ),
    "glasskit_interactions": (
        ctypes.c_int64,
        [ctypes.c_void_p, ctypes.c_int32, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p],
    ),
    "glasskit_tables": (
        ctypes.c_void_p,
        [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.POINTER(ctypes.c_int32)],
    ),
    "glasskit_free_tables": (None, [ctypes.c_void_p]),
    "glasskit_tables_bytes": (ctypes.c_int64, [ctypes.c_void_p]),
    "glasskit_tables_expected": (None, [ctypes.c_void_p] * 2),
    "glasskit_lookup": (
        ctypes.c_int64,
        [ctypes.c_void_p, ctypes.c_int32, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p],
    ),
    "glasskit_margins": (
        ctypes.c_int64,
        [ctypes.c_void_p, ctypes.c_int32, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p],
    ),
    **{
        f"glasskit_{name}": (
            None,
            [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p],
        )
        for name in ("exp", "logistic", "log1p_exp", "softmax")
    },
    "glasskit_pairs": (
        ctypes.c_int64,
        [
            *(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64),
            *(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p),
        ],
    ),
}


class Description(ctypes.Structure):
    """The kernel's `Description`: an ensemble as flat arrays."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("n_trees", "n_nodes", "n_columns", "n_features", "n_outputs")),
        *(
            (name, ctypes.c_void_p)
            for name in ("roots", "outputs", "left", "right", "column", "feature", "threshold", "value")
        ),
        *((name, ctypes.c_void_p) for name in ("cover", "columns", "categories")),
        ("n_categories", ctypes.c_int64),
        ("points", ctypes.c_void_p),
        ("weights", ctypes.c_void_p),
        ("most_points", ctypes.c_int64),
        ("divisor", ctypes.c_double),
        ("base_scores", ctypes.c_void_p),
        ("float32_inputs", ctypes.c_int32),
    ]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """The loaded library, and the instruction set it works with."""

    library: ctypes.CDLL
    level: int

    def levels(self) -> range:
        """Every instruction set this machine has."""
        return range(self.level + 1)


@functools.cache
def load() -> Kernel | None:
    """The kernel, or None (said once in the log) where it was not built or does not run."""
    try:
        library = ctypes.CDLL(str(compiling.LIBRARY))
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as exc:
        log.warning(
            "trees.kernel_absent: the NumPy reference explains trees, slowly", extra={"reason": str(exc)}
        )
        return None
    return Kernel(library=library, level=int(library.glasskit_best_level()))
