"""What `explain`, `bias` and `recourse` share: the surroundings of an analysis, and errors as sentences."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TextIO, TypeVar

from glasshouse.doors.cli import failures
from glasshouse.doors.cli.root import Root
from glasshouse.kernel import clock
from glasskit.analyses import questions

Asked = TypeVar("Asked")
_WIDTH = 30


def run(
    answer: Callable[[Asked, questions.Around], None], asked: Asked, root: Root, *, outputs: tuple[Path, ...]
) -> int:
    """Answers the question. Raises Failed where a file cannot be read or written, ValueError for bad input."""
    with Bar(sys.stderr) as bar:
        around = questions.Around(
            convert=root.convert,
            say=bar.above,
            progress=bar.show,
            today=clock.as_datetime(root.clock.now()).date(),
            monotonic=root.clock.monotonic,
        )
        try:
            answer(asked, around)
        except KeyboardInterrupt:
            written = " and ".join(map(str, outputs))
            told = f"; {written} was not written" if outputs else ""
            raise failures.Failed(f"interrupted{told}", status=failures.INTERRUPTED) from None
        except BrokenPipeError:
            raise
        except OSError as error:
            raise failures.Failed(str(error), status=failures.USAGE) from error
    return 0


class Bar:
    """A line that shows how far the work is, on a terminal alone; it is gone before anything else is said."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_shown = False

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self._clear()

    def show(self, done: int, total: int) -> None:
        """So many of so many rows."""
        if not self._stream.isatty() or done >= total:
            return
        filled = round(done / total * _WIDTH)
        self._stream.write(
            f"\r[{'#' * filled}{'.' * (_WIDTH - filled)}] {done / total:4.0%}  {done:,} of {total:,} rows"
        )
        self._stream.flush()
        self._is_shown = True

    def above(self, line: str) -> None:
        """A line of the answer."""
        self._clear()
        print(line)

    def _clear(self) -> None:
        if self._is_shown:
            self._stream.write("\r\033[K")
            self._stream.flush()
            self._is_shown = False


def with_row(one: argparse.ArgumentParser, *, required: bool) -> None:
    """--row and --id."""
    either = one.add_mutually_exclusive_group(required=required)
    either.add_argument("--row", type=int, metavar="N", help="the row; the first of the data is 1")
    either.add_argument("--id", metavar="COLUMN=VALUE", help="the row whose column has this value")


def with_outputs(one: argparse.ArgumentParser, text: str) -> None:
    """--output, --json."""
    one.add_argument("--output", type=Path, action="append", default=[], metavar="FILE", help=text)
    one.add_argument("--json", action="store_true", help="print the answer as JSON")


def chosen(options: argparse.Namespace) -> questions.Chosen:
    """The row that was asked for."""
    if not options.id:
        return questions.Chosen(row=options.row)
    column, sign, value = options.id.partition("=")
    if not sign or not column:
        raise failures.Failed(f"{options.id!r} is no COLUMN=VALUE, like customer=1234", status=failures.USAGE)
    return questions.Chosen(column=column, value=value)
