"""`glasshouse doctor`: looks at everything a server needs and names each problem with its fix."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from glasshouse.doors.cli import running
from glasshouse.doors.cli.root import Root
from glasshouse.kernel.settings import PREFIX, Settings

OLDEST, NEWEST = (3, 11), (3, 13)
FREE_BYTES = 5 * 2**30
AHEAD_S = 60.0
EPOCH_OF_THIS_VERSION = 1_767_225_600.0
"""2026-01-01: a clock before it is wrong."""
SECRETS = ("store_url", "files_secret_access_key", "files_session_token")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was looked at. `fix` is empty when all is well."""

    area: str
    what: str
    fix: str = ""


Look = Callable[[Settings, Root], Iterator[Finding]]


def settings_of(data: Path | None) -> tuple[list[Finding], Settings]:
    """The settings that a start from here would use; with a finding when a variable is wrong, and then the defaults."""
    try:
        return [], Settings.read({"data": data})
    except ValueError as error:
        wrong = Finding(area="settings", what=str(error), fix="Unset or correct it; the settings stand below")
        return [wrong], Settings.read({"data": data}, environ={})


def findings(settings: Settings, root: Root) -> Iterator[Finding]:
    """Everything that was looked at, good or bad, in the order of importance."""
    for look in LOOKS:
        yield from look(settings, root)


def values(settings: Settings) -> Iterator[str]:
    """The settings, one line each; what may hold a password is not shown."""
    for field in dataclasses.fields(settings):
        if field.metadata.get("internal"):
            continue
        value = getattr(settings, field.name)
        shown = "(set)" if field.name in SECRETS and value else repr(value) if value == "" else value
        yield f"{PREFIX}{field.name.upper()}={shown}  # {field.metadata['help']}"


def _python(_settings: Settings, _root: Root) -> Iterator[Finding]:
    version = sys.version_info[:2]
    said = ".".join(str(part) for part in sys.version_info[:3])
    fits = OLDEST <= version <= NEWEST
    yield Finding(
        area="python",
        what=f"Python {said}",
        fix="" if fits else "Use Python 3.11, 3.12 or 3.13: make clean && make PYTHON=python3.12 setup",
    )


def _user(_settings: Settings, _root: Root) -> Iterator[Finding]:
    what = "an ordinary user runs the server"
    if os.geteuid() == 0:
        what = (
            "root runs the server; an ordinary user is safer, since jobs then have even less to break out to"
        )
    yield Finding(area="user", what=what, fix="")


def _packages(_settings: Settings, _root: Root) -> Iterator[Finding]:
    for wish in importlib.metadata.requires("glasshouse") or ():
        if not wish.startswith("botocore"):
            continue
        version = importlib.metadata.version("botocore")
        fits = _within(version, wish)
        yield Finding(
            area="packages",
            what=f"botocore {version} ({wish} is wanted)",
            fix="" if fits else "The service models differ from the tested ones; run: make setup",
        )


def _sandbox(settings: Settings, root: Root) -> Iterator[Finding]:
    problems = root.problems(settings)
    for problem in problems:
        yield Finding(area="sandbox", what=problem.what, fix=problem.fix)
    if not problems:
        yield Finding(area="sandbox", what="jobs run isolated")


def _data(settings: Settings, _root: Root) -> Iterator[Finding]:
    data = settings.data
    if not data.exists():
        yield Finding(area="data", what=f"{data} does not exist yet; the first start makes it")
        return
    if not data.is_dir() or not os.access(data, os.R_OK | os.W_OK | os.X_OK):
        yield Finding(
            area="data", what=f"{data} is no folder this user can write", fix="Name another: --data DIR"
        )
        return
    status = data.stat()
    if status.st_uid != os.getuid():
        yield Finding(area="data", what=f"{data} belongs to another user", fix=f"chown -R $(id -u) {data}")
    open_to = status.st_mode & 0o077
    yield Finding(
        area="data",
        what=f"{data} has mode {status.st_mode & 0o777:o}",
        fix=f"Others can reach into it; run: chmod 700 {data}" if open_to else "",
    )


def _disk(settings: Settings, _root: Root) -> Iterator[Finding]:
    free = shutil.disk_usage(_existing(settings.data)).free
    yield Finding(
        area="disk",
        what=f"{free / 2**30:.1f} GiB free under {settings.data}",
        fix=""
        if free >= FREE_BYTES
        else "Jobs copy their input; free at least 5 GiB or name another --data DIR",
    )


def _clock(settings: Settings, root: Root) -> Iterator[Finding]:
    now = root.clock.now()
    newest = max((file.stat().st_mtime for file in _files(settings.data)), default=0.0)
    if now < EPOCH_OF_THIS_VERSION:
        yield Finding(
            area="clock", what="the clock stands before 2026", fix="Set the clock; signatures need it"
        )
    elif newest > now + AHEAD_S:
        ahead = newest - now
        yield Finding(
            area="clock",
            what=f"the data folder holds a file from {ahead:.0f} s in the future",
            fix="The clock went back; set it right before jobs run, or their times will be out of order",
        )
    else:
        yield Finding(area="clock", what="the clock fits the data")


def _port(settings: Settings, _root: Root) -> Iterator[Finding]:
    server = running.find(settings.data)
    if server is not None:
        yield Finding(area="server", what=f"runs at {server.endpoint}, process {server.pid}")
        return
    yield Finding(area="server", what="none runs on this data folder")
    if settings.port and not running.is_free(settings.host, settings.port):
        yield Finding(
            area="port",
            what=f"port {settings.port} of {settings.host} is taken by another program",
            fix="Name another: glasshouse up --port 8401 (or 0 for a free one)",
        )


def _keys(settings: Settings, root: Root) -> Iterator[Finding]:
    file = settings.credentials_file
    if not file.exists():
        yield Finding(area="keys", what="none yet; the first start makes them")
        return
    try:
        root.keys(settings)
    except RuntimeError as error:
        yield Finding(area="keys", what="the root keys cannot be used", fix=str(error))
    else:
        yield Finding(area="keys", what=f"root keys in {file}, for this user only")


def _runtimes(settings: Settings, _root: Root) -> Iterator[Finding]:
    folder = settings.environments_folder
    built = [place for place in folder.iterdir() if place.is_dir()] if folder.is_dir() else []
    yield Finding(
        area="runtimes",
        what=f"{len(built)} built in {folder}" if built else f"none built in {folder}",
        fix="" if built else "The first job would wait for it; build now with: glasshouse images --build",
    )


LOOKS: tuple[Look, ...] = (_python, _packages, _user, _sandbox, _data, _disk, _clock, _keys, _runtimes, _port)


def _within(version: str, wish: str) -> bool:
    """Whether the version lies in the bounds of a requirement such as botocore<1.45,>=1.44.5."""
    mine = _numbers(version)
    at_least = [_numbers(bound) for bound in re.findall(r">=\s*([\d.]+)", wish)]
    below = [_numbers(bound) for bound in re.findall(r"<\s*([\d.]+)", wish)]
    return all(mine >= bound for bound in at_least) and all(mine < bound for bound in below)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _existing(folder: Path) -> Path:
    while not folder.exists():
        folder = folder.parent
    return folder


def _files(data: Path) -> Iterator[Path]:
    if data.is_dir() and os.access(data, os.R_OK | os.X_OK):
        yield from (file for file in data.iterdir() if file.is_file())
