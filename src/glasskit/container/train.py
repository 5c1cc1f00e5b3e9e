"""The command `train`: a user's script, or a built-in algorithm."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from glasskit.container import (
    failures,
    hyperparameters,
    layout,
    processes,
    sources,
    training_environment,
)

_UNSUPPORTED = (
    "sagemaker_mpi_enabled",
    "sagemaker_parameter_server_enabled",
    "sagemaker_distributed_dataparallel_enabled",
    "sagemaker_pytorch_ddp_enabled",
    "sagemaker_torch_distributed_enabled",
)


def main() -> int:
    """The container's exit status; a failure's text is left in output/failure."""
    where = layout.current()
    try:
        for folder in (where.model, where.output / "data"):
            folder.mkdir(parents=True, exist_ok=True)
        raw = where.read_config("hyperparameters.json")
        decoded = hyperparameters.decode(raw)
        program = decoded.get("sagemaker_program") or os.environ.get("SAGEMAKER_PROGRAM")
        if program:
            return run_script(where, str(program), decoded)
        return _run_algorithm(where, raw)
    except failures.ClientFailure as failure:
        failures.write(where.output, str(failure))
        sys.stderr.write(f"Reporting training FAILURE\n{failure}\n")
        return failure.status


def _run_algorithm(where: layout.Layout, raw: dict[str, Any]) -> int:
    name = os.environ.get("GLASSHOUSE_ALGORITHM")
    if not name:
        raise failures.CodeNotFound(
            "There is nothing to run: the hyperparameter sagemaker_program names no script, and this image "
            "has no built-in algorithm."
        )
    from glasskit.container import algorithm

    return algorithm.train(where, name, raw)


def run_script(where: layout.Layout, program: str, decoded: dict[str, Any]) -> int:
    """Script mode. Raises failures.ClientFailure; a script that was asked to stop leaves no failure."""
    own, control, framework = hyperparameters.split(decoded)
    for name in _UNSUPPORTED:
        if framework.get(name):
            raise failures.AlgorithmFailure(f"The distribution that {name} asks for is not offered")
    sources.check_entry_point(program)
    source = str(control.get("sagemaker_submit_directory", where.code))
    sources.place(source, where.code)
    if not (where.code / program).is_file():
        raise failures.CodeNotFound(f"The program {program} is not in the code at {source}")
    facts = training_environment.TrainingEnvironment(
        where=where,
        entry_point=program,
        module_dir=source,
        own=own,
        framework=framework,
        resources=where.read_config("resourceconfig.json"),
        channels=where.read_config("inputdataconfig.json"),
        log_level=int(control.get("sagemaker_container_log_level", 20)),
        job_name=os.environ.get("TRAINING_JOB_NAME") or str(control.get("sagemaker_job_name", "")),
    )
    environment = _environment(facts, control)
    sources.install_requirements(where.code, where.packages, environment)
    command = command_of(where.code, program, hyperparameters.to_arguments(own))
    _announce(facts, command)
    finished = processes.run(command, folder=where.code, environment=environment)
    if finished.interrupted:
        return finished.status
    if finished.status:
        raise failures.ExecuteUserScriptError(
            command=" ".join(command), status=finished.status, tail=finished.tail
        )
    sys.stdout.write("Reporting training SUCCESS\n")
    return 0


def _environment(facts: training_environment.TrainingEnvironment, control: dict[str, Any]) -> dict[str, str]:
    where = facts.where
    environment = {**os.environ, **facts.variables()}
    environment["PYTHONPATH"] = sources.search_path(where.code, where.packages, os.environ)
    environment["PATH"] = os.pathsep.join([str(where.packages / "bin"), os.environ.get("PATH", os.defpath)])
    environment["PYTHONUNBUFFERED"] = "1"
    environment["CURRENT_HOST"] = str(facts.resources.get("current_host", ""))
    environment.setdefault("SAGEMAKER_JOB_NAME", facts.job_name)
    environment.setdefault(
        "SAGEMAKER_REGION", str(control.get("sagemaker_region") or os.environ.get("AWS_REGION", ""))
    )
    return environment


def command_of(code: Path, program: str, arguments: list[str]) -> list[str]:
    """Python files run under this interpreter, anything else as a command, by its own `#!` line or by sh."""
    if program.endswith(".py"):
        return [sys.executable, program, *arguments]
    (code / program).chmod(0o755)
    return ["/bin/sh", "-c", 'exec "$0" "$@"', f"./{program}", *arguments]


def _announce(facts: training_environment.TrainingEnvironment, command: list[str]) -> None:
    """The lines that SageMaker's toolkit prints before it starts a script."""
    shown = json.dumps(facts.facts(), sort_keys=True, indent=4)
    sys.stdout.write(
        f"Training Env:\n\n{shown}\n\nInvoking script with the following command:\n\n{' '.join(command)}\n\n"
    )
    sys.stdout.flush()
