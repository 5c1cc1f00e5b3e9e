"""`glasshouse call` and a verb for every operation: options come from the service model, answers are JSON."""

from __future__ import annotations

import argparse
import datetime as dt
import difflib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from glasshouse.doors.cli import failures, running
from glasshouse.doors.cli.root import Keys
from glasshouse.kernel import own_services

SCALARS = {
    "string": str,
    "integer": int,
    "long": int,
    "float": float,
    "double": float,
    "timestamp": str,
    "blob": str,
}


def named(verb: str, service: str, offered: Callable[[], Sequence[str]]) -> str:
    """The operation behind `list-training-jobs` or `ListTrainingJobs`, by the service model alone.

    Whether it is on offer, the server says. Raises Failed naming the nearest of those that are offered.
    """
    from botocore import xform_name

    model = model_of(service)
    for operation in model.operation_names if model else ():
        if verb in (operation, xform_name(operation, "-")):
            return str(operation)
    names = [xform_name(one, "-") for one in offered()] + list(offered())
    near = difflib.get_close_matches(verb, names, n=2)
    hint = f" Did you mean {' or '.join(near)}?" if near else " `glasshouse operations` lists them."
    raise failures.Failed(
        f"{verb} is neither a command nor an operation of {service}.{hint}", status=failures.USAGE
    )


def has(verb: str, service: str) -> bool:
    """Whether the word names an operation of the service."""
    from botocore import xform_name

    model = model_of(service)
    return bool(model) and any(verb in (name, xform_name(name, "-")) for name in model.operation_names)


def model_of(service: str) -> Any:
    """Botocore's model of the service, or None when there is none of that name."""
    import botocore.exceptions
    import botocore.loaders
    import botocore.model

    try:
        document = botocore.loaders.Loader(extra_search_paths=[str(own_services.FOLDER)]).load_service_model(
            service, "service-2"
        )
    except botocore.exceptions.UnknownServiceError:
        return None
    return botocore.model.ServiceModel(document, service)


def parser_of(verb: str, shape: Any) -> argparse.ArgumentParser:
    """Options for the members that fit on a command line; --json for the rest."""
    from botocore import xform_name

    parser = argparse.ArgumentParser(
        prog=f"glasshouse {verb}",
        description="Members that are lists of structures, maps or structures go into --json.",
    )
    parser.add_argument("--data", type=Path, help="the server's data folder")
    parser.add_argument(
        "--json", metavar="BODY", default="", help="the request as JSON; - reads standard input"
    )
    for member, inner in (shape.members if shape else {}).items():
        flag = f"--{xform_name(member, '-')}"
        must = member in shape.required_members
        if flag in ("--data", "--json"):
            continue
        if inner.type_name == "boolean":
            parser.add_argument(flag, dest=member, action=argparse.BooleanOptionalAction, default=None)
        elif inner.type_name in SCALARS:
            parser.add_argument(flag, dest=member, type=SCALARS[inner.type_name], **_help(inner, must=must))
        elif inner.type_name == "list" and inner.member.type_name == "string":
            parser.add_argument(flag, dest=member, nargs="+", **_help(inner.member, must=must))
    return parser


def request_of(options: argparse.Namespace) -> dict[str, Any]:
    """The request: --json first, single options over it."""
    body = json_of(options.json)
    single = {name: value for name, value in vars(options).items() if name[0].isupper() and value is not None}
    return {**body, **single}


def json_of(text: str) -> dict[str, Any]:
    """A JSON object from the text, from standard input for -, or from a file for @path."""
    if not text:
        return {}
    if text == "-":
        text = sys.stdin.read()
    elif text.startswith("@"):
        try:
            text = Path(text[1:]).read_text()
        except OSError as error:
            raise failures.Failed(
                f"{text[1:]} cannot be read: {error.strerror}.", status=failures.USAGE
            ) from error
    try:
        body = json.loads(text)
    except ValueError as error:
        raise failures.Failed(f"The body is not JSON: {error}.", status=failures.USAGE) from error
    if not isinstance(body, dict):
        raise failures.Failed("The body must be a JSON object.", status=failures.USAGE)
    return body


def answer(
    operation: str, body: Mapping[str, Any], *, service: str, server: running.Server, keys: Keys
) -> dict[str, Any]:
    """What the server answers. Raises Failed with the server's own code and message."""
    import botocore.exceptions
    from botocore import xform_name

    client = running.client(service, server=server, keys=keys)
    try:
        found: dict[str, Any] = getattr(client, xform_name(operation))(**body)
    except botocore.exceptions.ClientError as error:
        said = error.response["Error"]
        raise failures.Failed(f"{operation}: {said['Code']}: {said['Message']}") from error
    except botocore.exceptions.ParamValidationError as error:
        raise failures.Failed(f"{operation}: {error}", status=failures.USAGE) from error
    except botocore.exceptions.HTTPClientError as error:
        raise failures.Failed(f"The server at {server.endpoint} does not answer: {error}") from error
    found.pop("ResponseMetadata", None)
    return found


def printed(found: Mapping[str, Any]) -> str:
    """JSON for people and programs: times in ISO 8601, bodies as text."""
    return json.dumps(found, indent=2, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value.isoformat()
    raw = value.read() if hasattr(value, "read") else value
    if isinstance(raw, bytes):
        return raw.decode("utf-8", "replace")
    raise TypeError(f"An answer holds a {type(value).__name__}.")


def _help(shape: Any, *, must: bool) -> dict[str, Any]:
    words = "required" if must else ""
    if getattr(shape, "enum", None):
        words = f"{words}{'; ' if words else ''}{' | '.join(shape.enum)}"
    return {"help": words.replace("%", "%%"), "metavar": shape.type_name.upper()}
