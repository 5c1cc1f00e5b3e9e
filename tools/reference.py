"""Writes the pages of docs/reference from the code.

python tools/reference.py            writes them
python tools/reference.py --check    exit status 1 when a page is not what the code says
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from glasshouse import app
from glasshouse.doors.cli import commands, failures
from glasshouse.kernel import registry
from glasshouse.kernel.model import Services
from glasshouse.kernel.settings import PREFIX, Settings
from glasskit import algorithms, bias, metrics

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "reference"
NOTE = "<!-- Written by `make reference`; edit the code instead. -->"
DOORS = {
    "sagemaker-runtime": ("InvokeEndpoint",),
    "s3": ("see the guide on clients",),
}
"""Offered by a door of their own, without the registry."""


STATUSES = {
    0: "done",
    failures.FAILED: "it could not be done; the line on standard error says why",
    failures.USAGE: "the command was not understood",
    failures.NOT_RUNNING: "no server runs on the data folder",
}


def main(arguments: list[str]) -> int:
    """Writes or checks every page. Returns the exit status."""
    check = arguments == ["--check"]
    if arguments and not check:
        print(__doc__)
        return 2
    FOLDER.mkdir(parents=True, exist_ok=True)
    stale = []
    for name, page in PAGES.items():
        path = FOLDER / name
        text = f"{NOTE}\n\n" + "\n".join(page()).rstrip() + "\n"
        before = path.read_text() if path.exists() else ""
        if text != before and check:
            stale.append(name)
            print("".join(difflib.unified_diff(before.splitlines(True), text.splitlines(True), name, "code")))
        elif text != before:
            path.write_text(text)
            print(f"{path.relative_to(FOLDER.parent.parent)} written")
    if stale:
        print(f"{', '.join(stale)}: not what the code says; run: make reference", file=sys.stderr)
    return 1 if stale else 0


def operations() -> Iterator[str]:
    """Every operation on offer, by service and by stage of the lifecycle."""
    services = Services()
    modelled = len(services["sagemaker"].operations)
    offered = registry.offers(services, app.load_capabilities())
    of_sagemaker = sorted(name for service, name in offered if service == "sagemaker")
    yield "# Operations on offer"
    yield ""
    yield f"{len(of_sagemaker)} of the {modelled} operations of SageMaker's API, and what its clients need of other services."
    yield "Everything else answers status 501 and names the operation."
    for capability in app.load_capabilities():
        own = registry.offers(services, [capability]).keys() - registry.offers(services, []).keys()
        yield from _by_service(capability.name, own)
    yield from _by_service("for every kind of resource", registry.offers(services, []).keys())
    yield from _by_service("at doors of their own", {(s, n) for s, names in DOORS.items() for n in names})


def _by_service(title: str, places: Iterable[tuple[str, str]]) -> Iterator[str]:
    yield ""
    yield f"## {title[0].upper()}{title[1:]}"
    yield ""
    yield "| service | operation |"
    yield "|---|---|"
    for service, name in sorted(places):
        yield f"| {service} | {name} |"


def states() -> Iterator[str]:
    """The state machine of every kind that has one."""
    yield "# States"
    yield ""
    yield "A resource moves only along these lines. A state without an arrow is final."
    for capability in app.load_capabilities():
        for kind in capability.kinds:
            if kind.states is None:
                continue
            yield from ("", f"## {kind.noun}", "", f"Begins as `{kind.states.first}`.", "")
            for status in sorted(kind.states.statuses):
                targets = sorted(kind.states.moves.get(status, ()))
                yield f"- `{status}`" + (f" → {', '.join(f'`{one}`' for one in targets)}" if targets else "")


def settings() -> Iterator[str]:
    """Every setting with its variable, option, default and meaning."""
    yield "# Settings"
    yield ""
    yield "Each is read from the variable, and over it from the option of `glasshouse up`."
    yield "A variable with this prefix that is no setting is refused."
    yield ""
    yield "| variable | option | default | meaning |"
    yield "|---|---|---|---|"
    for field in dataclasses.fields(Settings):
        if field.metadata.get("internal"):
            continue
        default = "~/.glasshouse" if field.name == "data" else field.default
        shown = f"`{default}`" if default != "" else ""
        is_secret = field.metadata.get("secret")
        option = "environment only" if is_secret else f"`--{field.name.replace('_', '-')}`"
        yield f"| `{PREFIX}{field.name.upper()}` | {option} | {shown} | {field.metadata['help']} |"


def command_line() -> Iterator[str]:
    """Every command with its options."""
    yield "# Command line"
    yield from ("", "```text", commands.ABOUT.rstrip(), "```", "")
    for code, meaning in STATUSES.items():
        yield f"- exit status {code}: {meaning}"
    parser = commands.parser()
    choices = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction)).choices
    for name, one in choices.items():
        yield from ("", f"## glasshouse {name}", "", "```text", (one.description or "").rstrip(), "```", "")
        yield from _command(f"glasshouse {name}", one)


def _command(name: str, one: argparse.ArgumentParser) -> Iterator[str]:
    """The options of a command, and those of the commands under it."""
    for action in one._actions:
        if isinstance(action, argparse._SubParsersAction):
            for verb, inner in action.choices.items():
                yield from (f"`{name} {verb}`: {inner.description}", "")
                yield from _command(f"{name} {verb}", inner)
                yield ""
        elif "-h" not in action.option_strings:
            yield f"- `{', '.join(action.option_strings) or action.dest}`: {action.help}"


def images() -> Iterator[str]:
    """The images that a job can name."""
    catalogue = app.make_images(Settings.read(environ={}), lambda _text: None)
    yield "# Images"
    yield ""
    yield "An image is matched by repository and tag; account and region of its URI do not matter."
    yield "Any other image is refused with this list."
    yield ""
    yield "| image | for | environment |"
    yield "|---|---|---|"
    for name in catalogue.known():
        runtime = catalogue.resolve(name)
        yield f"| `{name}` | {', '.join(sorted(runtime.purposes))} | {runtime.environment} |"


def built_in_algorithms() -> Iterator[str]:
    """The hyperparameters of every built-in algorithm, and the metrics that its log is read for."""
    yield "# Built-in algorithms"
    yield ""
    yield "Hyperparameters are texts, as SageMaker sends them. An unknown name or a value out of range is refused, with"
    yield "everything that is wrong in one message. What the installed library has removed is accepted and left out."
    for name in algorithms.names():
        schema = algorithms.schema(name)
        yield from ("", f"## {name}", "", "| hyperparameter | default | |", "|---|---|---|")
        for one in schema.parameters:
            default = f"`{one.default}`" if one.default is not None else ""
            remark = "required" if one.required else f"left out: {one.removed}" if one.removed else ""
            yield f"| `{one.name}` | {default} | {remark} |"
        if schema.aliases:
            spelt = ", ".join(f"`{other}` ({known})" for other, known in sorted(schema.aliases.items()))
            yield from ("", f"Other spellings: {spelt}.")
        yield from ("", "Metrics that are read off its log:", "")
        yield from (f"- `{metric}`" for metric in sorted(algorithms.metric_patterns(name)))


def quality_metrics() -> Iterator[str]:
    """The quality metrics of glasskit.metrics."""
    yield "# Quality metrics"
    yield ""
    yield '`glasskit.metrics.find("auc").of(label, score)` computes one.'
    yield from ("", "| name | |", "|---|---|")
    for name in metrics.names():
        yield f"| `{name}` | {(metrics.find(name).of.__doc__ or '').splitlines()[0]} |"


def bias_metrics() -> Iterator[str]:
    """The bias metrics of glasskit.bias, by stage."""
    yield "# Bias metrics"
    yield ""
    yield "a is the favoured facet (all other rows), d the disfavoured one (the rows asked about), n⁽¹⁾ rows with the favourable"
    yield "label, n′⁽¹⁾ with the favourable prediction. Analysis jobs take the short names in `methods`;"
    yield '`glasskit.bias.find("DPL").of(split)` computes one.'
    for stage, title in (("pre_training", "Of the data"), ("post_training", "Of the predictions")):
        yield from (
            "",
            f"## {title}",
            "",
            "| name | | formula | from | to | no difference |",
            "|---|---|---|---|---|---|",
        )
        for name in bias.names(stage):
            one = bias.find(name)
            ends = (f"{end:g}".replace("inf", "∞").replace("-", "−") for end in (*one.range, one.neutral))
            formula = one.formula.replace("|", "\\|")
            yield f"| `{name}` | {one.title} | {formula} | {' | '.join(ends)} |"


PAGES: dict[str, Callable[[], Iterator[str]]] = {
    "operations.md": operations,
    "states.md": states,
    "settings.md": settings,
    "command-line.md": command_line,
    "images.md": images,
    "algorithms.md": built_in_algorithms,
    "metrics.md": quality_metrics,
    "bias-metrics.md": bias_metrics,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
