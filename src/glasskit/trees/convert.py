"""A pickled model -> the portable form. A program for the inside of a sandbox, and for nowhere else.

    python -m glasskit.trees.convert MODEL OUT

Opening a pickle runs whatever code it holds, so the program does nothing unless it is told that it runs in a
sandbox (the environment variable GLASSKIT_SANDBOX=yes). MODEL may be a pickle or a joblib file, compressed or not,
of a tree model of scikit-learn, LightGBM, XGBoost or CatBoost. Exit status 2 and one sentence: it is none.
"""

from __future__ import annotations

import os
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from glasskit import trees
from glasskit.trees import errors, portable

SANDBOX = "GLASSKIT_SANDBOX"
"""The variable that says `yes` inside a sandbox."""

REFUSED = 2


def main(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Converts one file and returns the exit status."""
    if len(arguments) != 2:
        return _refuse("usage: python -m glasskit.trees.convert MODEL OUT")
    if environment.get(SANDBOX) != "yes":
        return _refuse("A pickled model is opened inside a sandbox only: opening it runs the code it holds.")
    try:
        model = _opened(pathlib.Path(arguments[0]))
        ensemble = trees.load(_source(model))
    except errors.TreesError as error:
        return _refuse(str(error))
    portable.save(ensemble, arguments[1])
    return 0


def _opened(path: pathlib.Path) -> Any:
    """What the file holds. Whatever its code raises becomes ModelUnreadable."""
    import joblib

    try:
        return joblib.load(path)
    except Exception as error:
        raise errors.ModelUnreadable("pickled", f"{type(error).__name__}: {error}") from error


def _source(model: Any) -> Any:
    """The part of a model that `load` reads."""
    steps = getattr(model, "steps", None)
    if steps is not None:
        raise errors.ModelUnsupported(
            f"A {type(model).__name__} of {len(steps)} steps",
            "Save its last step, and give rows as they are after the others.",
        )
    if hasattr(model, "booster_"):
        return model.booster_
    if hasattr(model, "get_booster"):
        return model.get_booster()
    return model


def _refuse(sentence: str) -> int:
    sys.stderr.write(sentence + "\n")
    return REFUSED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))  # noqa: TID251 - a program of its own inside a sandbox
