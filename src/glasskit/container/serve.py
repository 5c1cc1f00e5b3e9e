"""The command `serve`: a user's serving functions, or a built-in algorithm's model, behind HTTP."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from pathlib import Path

from glasskit.container import failures, layout, requests, server, sources

_REFUSED = {
    "SAGEMAKER_MULTI_MODEL": "multi-model serving",
    "SAGEMAKER_INFERENCE_OUTPUT": "selectable inference output",
}


def main() -> int:
    """Loads the model, then serves until SIGTERM. A model that cannot be loaded ends the process with status 1."""
    where = layout.current()
    try:
        for name, meaning in _REFUSED.items():
            if os.environ.get(name, "").lower() not in ("", "false"):
                raise failures.AlgorithmFailure(f"{name} is set, but {meaning} is not offered by this image")
        handler, documents = decided(load(where))
    except failures.ClientFailure as failure:
        sys.stderr.write(f"The model cannot be served: {failure}\n")
        return failure.status
    except Exception:  # the door of the user's code: importing it and its model_fn may raise anything
        traceback.print_exc()
        sys.stderr.write("The model cannot be served: its code raised the error above.\n")
        return 1
    server.serve(handler, _address(), n_threads=_threads(), documents=documents)
    return 0


def load(where: layout.Layout) -> requests.Scorer:
    """The handler that the environment and the model folder ask for.

    A program (SAGEMAKER_PROGRAM, or code/inference.py in the model) goes before the image's own algorithm.
    """
    algorithm = os.environ.get("GLASSHOUSE_ALGORITHM", "")
    accept = os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", "")
    program = os.environ.get("SAGEMAKER_PROGRAM", "")
    if not program and (where.model / "code" / "inference.py").is_file():
        program = "inference.py"
    if program:
        return _user_handler(where, program, accept, algorithm)
    if not algorithm:
        raise failures.CodeNotFound(
            "SAGEMAKER_PROGRAM is not set, the model has no code/inference.py, and this image has no algorithm"
        )
    return _scoring_handler(where, accept, algorithm)


def _user_handler(where: layout.Layout, program: str, accept: str, algorithm: str) -> requests.Scorer:
    from glasskit.container import handlers

    code = place_code(where)
    sources.check_entry_point(program)
    if not (code / program).is_file():
        raise failures.CodeNotFound(f"The program {program} is not in the code at {code}")
    search = sources.search_path(code, where.packages, os.environ)
    os.environ["PYTHONPATH"] = search
    os.environ["PATH"] = os.pathsep.join([str(where.packages / "bin"), os.environ.get("PATH", os.defpath)])
    sources.install_requirements(code, where.packages, os.environ)
    sys.path[:0] = [part for part in search.split(os.pathsep) if part not in sys.path]
    importlib.invalidate_caches()  # Python looked for the packages before they were installed
    module = importlib.import_module(program.removesuffix(".py").replace("/", "."))
    try:
        return handlers.UserHandler(
            module, model_dir=str(where.model), default_accept=accept, algorithm=algorithm
        )
    except handlers.WrongModule as exc:
        raise failures.CodeNotFound(str(exc)) from exc


def explained(handler: requests.Handler) -> requests.Handler:
    """The handler, with explanations where the environment asks for them. Raises failures.AlgorithmFailure."""
    folder = os.environ.get("GLASSHOUSE_EXPLAINER", "")
    tables = os.environ.get("GLASSHOUSE_EXPLAIN", "").lower()
    if tables not in ("", "true", "false"):
        raise failures.AlgorithmFailure(f"GLASSHOUSE_EXPLAIN must be true or false, not {tables!r}")
    if folder and tables == "true":
        raise failures.AlgorithmFailure(
            "GLASSHOUSE_EXPLAIN of the model and the endpoint's ExplainerConfig exclude each other"
        )
    if folder:
        from glasskit.container import explaining

        return explaining.ExplainingHandler(handler, Path(folder))
    if tables == "true":
        from glasskit.container import explaining_tables

        return explaining_tables.TablesHandler(handler)
    return handler


def decided(model: requests.Scorer) -> tuple[requests.Handler, dict[str, bytes]]:
    """The handler that answers, with decisions where the environment asks for them, and what GET answers besides.

    Raises failures.AlgorithmFailure.
    """
    folder = os.environ.get("GLASSHOUSE_DECISIONS", "")
    front = explained(model)
    if not folder:
        return front, {}
    from glasskit.container import deciding

    handler = deciding.DecidingHandler(model, front, Path(folder))
    return handler, {deciding.BUNDLE_PATH: handler.bundle} if handler.bundle else {}


def place_code(where: layout.Layout) -> Path:
    """The folder of the user's code, fetched first when SAGEMAKER_SUBMIT_DIRECTORY says so."""
    source = os.environ.get("SAGEMAKER_SUBMIT_DIRECTORY", "")
    in_model = where.model / "code"
    if not source or Path(source) == in_model:
        return in_model if in_model.is_dir() else where.model
    if Path(source).is_dir():
        return Path(source)
    sources.place(source, where.code)
    return where.code


def _scoring_handler(where: layout.Layout, accept: str, algorithm: str) -> requests.Scorer:
    from glasskit import algorithms
    from glasskit.algorithms import contract
    from glasskit.container import scoring

    algorithms.start_fast()
    try:
        model = algorithms.find(algorithm).load(where.model, allow_pickle=True)
    except contract.Refused as exc:
        raise failures.AlgorithmFailure(str(exc)) from exc
    batch = os.environ.get("SAGEMAKER_BATCH", "").lower() == "true"
    return scoring.ScoringHandler(model, batch=batch, default_accept=accept)


def _address() -> server.Address:
    socket = os.environ.get("GLASSHOUSE_SOCKET")
    return server.Address(
        socket=Path(socket) if socket else None, port=int(os.environ.get("SAGEMAKER_BIND_TO_PORT", "8080"))
    )


def _threads() -> int:
    asked = os.environ.get("SAGEMAKER_MODEL_SERVER_WORKERS", "")
    return int(asked) if asked.isdigit() and int(asked) else server.default_threads()
