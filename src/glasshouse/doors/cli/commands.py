"""The commands of `glasshouse`, and how their words are read."""

from __future__ import annotations

import argparse
import dataclasses
import importlib.metadata
import inspect
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from glasshouse.doors.cli import (
    bias,
    calls,
    decisions,
    demo,
    doctor,
    environment,
    expire,
    explain,
    failures,
    follow,
    journal,
    ledger,
    recourse,
    running,
)
from glasshouse.doors.cli.root import Root
from glasshouse.kernel import errors
from glasshouse.kernel.settings import Settings

OWN_SERVICE = "glasshouse"
Command = Callable[[argparse.Namespace, Root], int]
ABOUT = """\
The machine-learning lifecycle of Amazon SageMaker on your own machines.

Every operation on offer is a command too: glasshouse list-training-jobs --max-results 5
`glasshouse operations` lists them; `glasshouse COMMAND --help` tells the options of one.
"""


def main(arguments: Sequence[str], root: Root) -> int:
    """Runs one command and returns its exit status."""
    try:
        verb = next((word for word in arguments[:1] if not word.startswith("-")), "")
        if verb and verb not in COMMANDS:
            return _operation(verb, arguments[1:], root)
        options = parser().parse_args(arguments)
        command: Command = options.command
        return command(options, root)
    except failures.Failed as failure:
        print(f"glasshouse: {failure}", file=sys.stderr)
        return failure.status
    except (errors.Fatal, ValueError) as error:
        print(f"glasshouse: {error}", file=sys.stderr)
        return failures.USAGE
    except BrokenPipeError:
        sys.stderr.close()
        return failures.FAILED
    except KeyboardInterrupt:
        return failures.INTERRUPTED


def parser() -> argparse.ArgumentParser:
    """Every command with its options; the reference page is written from it."""
    top = argparse.ArgumentParser(
        prog="glasshouse", description=ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, (command, add_options) in COMMANDS.items():
        text = inspect.cleandoc(command.__doc__ or "")
        one = verbs.add_parser(
            name,
            help=text.splitlines()[0],
            description=text,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        one.set_defaults(command=command)
        add_options(one)
    return top


def up(options: argparse.Namespace, root: Root) -> int:
    """Start the server and stay in the foreground; SIGTERM or Ctrl-C ends it in order."""
    chosen = {field.name: getattr(options, field.name, None) for field in dataclasses.fields(Settings)}
    settings = Settings.read(chosen)
    journal.keep()

    def announce(url: str) -> None:
        print(f"Glasshouse answers at {url}; data in {settings.data}.", flush=True)
        print(f'In another terminal: eval "$(glasshouse env --data {settings.data})"', flush=True)

    return root.serve(settings, announce)


def down(options: argparse.Namespace, _root: Root) -> int:
    """End the server of the data folder in order, and wait for it."""
    settings = _settings(options)
    server = running.need(settings.data)
    if not running.stop(settings.data, server, within_s=settings.drain_s + 20):
        raise failures.Failed(f"Process {server.pid} has not ended; look into it, or: kill -9 {server.pid}")
    print(f"The server at {server.endpoint} has ended.")
    return 0


def status(options: argparse.Namespace, _root: Root) -> int:
    """Say whether a server runs on the data folder, and where; exit status 3 when none does."""
    settings = _settings(options)
    server = running.need(settings.data)
    told = {"data": settings.data, **dataclasses.asdict(server)}
    print("\n".join(f"{name:9} {value}" for name, value in told.items() if value != ""))
    return 0


def env(options: argparse.Namespace, root: Root) -> int:
    """Print the export lines that point AWS's clients at the server of the data folder.

    eval "$(glasshouse env)"            boto3, the AWS CLI, s3fs and the SageMaker SDKs use this server
    eval "$(glasshouse env --proxy)"    the same, and the STS address that SDKs have built in too

    The lines hold the root identity's keys: keep them out of logs.
    """
    settings = _settings(options)
    server = running.need(settings.data)
    values = environment.variables(settings.data, server, running.keys_of(settings, root.keys))
    if options.proxy:
        values |= environment.proxy_variables(settings.data, server)
    sys.stdout.write(environment.exports(values))
    return 0


def look(options: argparse.Namespace, root: Root) -> int:
    """Check the installation and name each problem with its fix; exit status 1 when there is one."""
    found, settings = doctor.settings_of(options.data)
    found += doctor.findings(settings, root)
    for finding in found:
        print(f"{'PROBLEM' if finding.fix else 'ok':8}{finding.area:9} {finding.what}")
        if finding.fix:
            print(f"{'':17} fix: {finding.fix}")
    print("\nSettings of a server started from here:")
    for line in doctor.values(settings):
        print(f"  {line}")
    n_problems = sum(bool(finding.fix) for finding in found)
    print(f"\n{n_problems or 'No'} problem{'' if n_problems == 1 else 's'}.")
    return 1 if n_problems else 0


def run_demo(options: argparse.Namespace, root: Root) -> int:
    """Run a solution end to end against the data folder's server, or against a server of its own."""
    settings = _settings(options)
    source, stay, clean = options.source, not options.exit, options.clean
    return demo.run(options.name, settings, root, source=source, stay=stay, clean=clean)


def logs(options: argparse.Namespace, root: Root) -> int:
    """Print the log of a job or an endpoint; --follow goes on until the work has ended."""
    settings = _settings(options)
    server, keys = running.need(settings.data), running.keys_of(settings, root.keys)
    sagemaker = running.client("sagemaker", server=server, keys=keys)
    source = follow.find(options.name, root.offered()["sagemaker"], sagemaker, noun=options.of)
    log_client = running.client("logs", server=server, keys=keys)
    for line in follow.lines(source, follow=options.follow, sagemaker=sagemaker, logs=log_client):
        print(line, flush=True)
    return 0


def call(options: argparse.Namespace, root: Root) -> int:
    """Call an operation by its name and print the answer as JSON.

    glasshouse call DescribeModel --json '{"ModelName": "m"}'
    glasshouse call GetCallerIdentity --service sts
    """
    operation = calls.named(
        options.operation, options.service, lambda: root.offered().get(options.service, ())
    )
    return _answered(operation, calls.json_of(options.json), options.service, options, root)


def operations(options: argparse.Namespace, root: Root) -> int:
    """List the operations on offer, by service."""
    for service, names in sorted(root.offered().items()):
        if options.service in ("", service):
            print("\n".join(f"{service} {name}" for name in sorted(names)))
    return 0


def images(options: argparse.Namespace, root: Root) -> int:
    """List the images that jobs can name; --build makes their environments, so that no job waits for one."""
    catalogue = root.images(_settings(options), lambda text: print(text, flush=True))
    names = catalogue.known()
    if not options.build:
        print("\n".join(names))
        return 0
    runtimes = {(one := catalogue.resolve(f"{name}")).environment: one for name in names}
    for runtime in runtimes.values():
        built = catalogue.environment(runtime)
        print(f"runtime {runtime.environment}: {built.digest[:12]} is ready", flush=True)
    return 0


def version(_options: argparse.Namespace, _root: Root) -> int:
    """Print the version."""
    print(f"glasshouse {importlib.metadata.version('glasshouse')}")
    return 0


def _operation(verb: str, words: Sequence[str], root: Root) -> int:
    service = OWN_SERVICE if calls.has(verb, OWN_SERVICE) else "sagemaker"
    operation = calls.named(verb, service, lambda: root.offered().get("sagemaker", ()))
    shape = calls.model_of(service).operation_model(operation).input_shape
    options = calls.parser_of(verb, shape).parse_args(words)
    return _answered(operation, calls.request_of(options), service, options, root)


def _answered(
    operation: str, body: dict[str, Any], service: str, options: argparse.Namespace, root: Root
) -> int:
    settings = _settings(options)
    server, keys = running.need(settings.data), running.keys_of(settings, root.keys)
    print(calls.printed(calls.answer(operation, body, service=service, server=server, keys=keys)))
    return 0


def _settings(options: argparse.Namespace) -> Settings:
    return Settings.read({"data": options.data})


def _with_data(one: argparse.ArgumentParser) -> None:
    one.add_argument("--data", type=Path, metavar="DIR", help="the server's data folder (~/.glasshouse)")


def _with_settings(one: argparse.ArgumentParser) -> None:
    kinds: dict[str, Any] = {"int": int, "float": float, "Path": Path}
    for field in dataclasses.fields(Settings):
        if field.metadata.get("internal") or field.metadata.get("secret"):
            continue
        flag, text = f"--{field.name.replace('_', '-')}", field.metadata["help"]
        if str(field.type) == "bool":
            one.add_argument(flag, action="store_true", default=None, help=text)
        else:
            one.add_argument(flag, type=kinds.get(str(field.type), str), metavar="VALUE", help=text)


def _with_proxy(one: argparse.ArgumentParser) -> None:
    _with_data(one)
    one.add_argument("--proxy", action="store_true", help="also send https to this server (STS of the SDKs)")


def _with_demo(one: argparse.ArgumentParser) -> None:
    _with_data(one)
    one.add_argument("name", help="the solution: credit")
    one.add_argument("--exit", action="store_true", help="end after the decision instead of staying up")
    one.add_argument("--source", type=Path, metavar="FILE", help="the real data: the file german.data of UCI")
    one.add_argument("--clean", action="store_true", help="remove what an earlier run made")


def _with_logs(one: argparse.ArgumentParser) -> None:
    _with_data(one)
    one.add_argument("name", help="the name of a job or an endpoint")
    one.add_argument(
        "--of", default="", metavar="KIND", help="TrainingJob, Endpoint: where several have the name"
    )
    one.add_argument("--follow", "-f", action="store_true", help="go on until the work has ended")


def _with_call(one: argparse.ArgumentParser) -> None:
    _with_data(one)
    one.add_argument("operation", help="DescribeModel or describe-model")
    one.add_argument(
        "--service", default="sagemaker", help="sagemaker, sagemaker-runtime, glasshouse, sts, iam, logs"
    )
    one.add_argument(
        "--json", metavar="BODY", default="", help="the request; - reads standard input, @FILE a file"
    )


def _with_service(one: argparse.ArgumentParser) -> None:
    one.add_argument("--service", default="", help="only this service")


def _with_build(one: argparse.ArgumentParser) -> None:
    _with_data(one)
    one.add_argument("--build", action="store_true", help="build the environments that are not there yet")


def _alone(_one: argparse.ArgumentParser) -> None:
    return None


COMMANDS: dict[str, tuple[Command, Callable[[argparse.ArgumentParser], None]]] = {
    "up": (up, _with_settings),
    "down": (down, _with_data),
    "status": (status, _with_data),
    "env": (env, _with_proxy),
    "doctor": (look, _with_data),
    "demo": (run_demo, _with_demo),
    "logs": (logs, _with_logs),
    "call": (call, _with_call),
    "operations": (operations, _with_service),
    "images": (images, _with_build),
    "explain": (explain.run, explain.add_options),
    "bias": (bias.run, bias.add_options),
    "recourse": (recourse.run, recourse.add_options),
    "verify": (ledger.verify, ledger.add_verify),
    "replay": (ledger.replay, ledger.add_replay),
    "decisions": (decisions.run, decisions.add_options),
    "expire": (expire.run, expire.add_options),
    "version": (version, _alone),
}
