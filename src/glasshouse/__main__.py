"""The command `glasshouse`. Everything heavy is imported by the command that needs it, so that the others start fast."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from glasshouse.doors import cli
from glasshouse.kernel import ports
from glasshouse.kernel.clock import SystemClock
from glasshouse.kernel.settings import Settings

if TYPE_CHECKING:
    from glasshouse.kernel.ledger import Entry
    from glasshouse.kernel.ledger.replaying import Replayed
    from glassproof import anchors


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit status."""
    return cli.main(sys.argv[1:] if arguments is None else arguments, root())


def root() -> cli.Root:
    """What the command line works with."""
    return cli.Root(
        serve=_serve,
        keys=_keys,
        offered=_offered,
        problems=_problems,
        images=_images,
        analyses=_analyses,
        convert=_convert,
        rerun=_rerun,
        decisions=_decisions,
        anchors=_anchors,
        clock=SystemClock(),
        demos={"credit": _credit},
    )


def _serve(settings: Settings, announce: Callable[[str], None]) -> int:
    from glasshouse import app
    from glasshouse.doors import listen
    from glasshouse.engines.identity import local
    from glasshouse.engines.store import database, postgres, sqlite
    from glasshouse.kernel import ledger

    try:
        return app.serve(settings, announce=announce)
    except (
        listen.CannotListen,
        local.UnreadableKeys,
        sqlite.AlreadyOpen,
        database.WrongSchema,
        postgres.Unusable,
        ledger.Unusable,
    ) as error:
        raise cli.Failed(str(error)) from error


def _keys(settings: Settings) -> cli.Keys:
    from glasshouse.engines.identity import local

    return local.load(settings.credentials_file)


def _offered() -> Mapping[str, tuple[str, ...]]:
    from glasshouse import app
    from glasshouse.kernel import registry
    from glasshouse.kernel.model import Services

    names: dict[str, list[str]] = {}
    for service, operation in registry.offers(Services(), app.load_capabilities()):
        names.setdefault(service, []).append(operation)
    return {service: tuple(sorted(found)) for service, found in names.items()}


def _problems(settings: Settings) -> tuple[ports.Problem, ...]:
    from glasshouse import app

    return app.make_executor(settings).problems()


def _images(settings: Settings, report: Callable[[str], None]) -> ports.Images:
    from glasshouse import app

    return app.make_images(settings, report)


def _analyses() -> cli.Analyses:
    from glasskit.analyses import assessing, changing, explaining

    return cli.Analyses(explain=explaining.run, bias=assessing.run, recourse=changing.run)


def _convert(model: Path) -> bytes:
    from glasshouse import app
    from glasshouse.kernel import conversion

    return conversion.convert(model, app.make_executor(Settings.read()), SystemClock())


def _rerun(settings: Settings) -> Callable[[Iterable[Entry]], Iterator[Replayed]]:
    def rerun(entries: Iterable[Entry]) -> Iterator[Replayed]:
        from glasshouse import app
        from glasshouse.capabilities.govern import rerunning

        asked = list(entries)
        if not asked:
            return iter(())
        return rerunning.Rerunner(
            folder=settings.data / "ledger",
            executor=app.make_executor(settings),
            images=app.make_images(settings, lambda _text: None),
            monotonic=SystemClock().monotonic,
        ).rerun(asked)

    return rerun


def _decisions(bundles: Path) -> cli.Decisions:
    from glasskit.decisions import exporting

    names = exporting.names_of(bundles)
    return cli.Decisions(
        row=lambda record: exporting.row(record, names),
        export=lambda records, path: exporting.export(records, path, names),
    )


def _anchors(settings: Settings, ledger: str) -> list[anchors.Anchor]:
    if not settings.ledger_anchor_url:
        return []
    from glasshouse import app

    bucket = app.open_anchors(settings)
    return bucket.read(ledger) if bucket is not None else []


def _credit() -> cli.Demo:
    from glasshouse.solutions.credit import clients, demo

    def connected(wish: cli.Wish) -> clients.Clients:
        return clients.connect(
            endpoint_url=wish.endpoint,
            region=wish.region,
            access_key=wish.keys.access_key_id,
            secret_key=wish.keys.secret_access_key,
            session_token=wish.keys.session_token,
        )

    def run(wish: cli.Wish) -> None:
        report = wish.folder / "report.html"
        demo.run(connected(wish), demo.Options(source=wish.source, report=report, data=wish.data))

    def clean(wish: cli.Wish) -> None:
        demo.clean(connected(wish))

    return cli.Demo(run=run, clean=clean)


if __name__ == "__main__":
    sys.exit(main())
