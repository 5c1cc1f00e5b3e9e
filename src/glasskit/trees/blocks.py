"""Many rows in blocks: on several threads, with progress, and so that an interrupt is soon heard."""

from __future__ import annotations

import concurrent.futures
import os
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from glasskit.trees import errors

Matrix = npt.NDArray[np.float64]
Progress = Callable[[int, int], None]
"""Called with (rows done, rows in all) after every block."""

ROWS = 4096
FEWEST_ROWS = 512


def run(
    work: Callable[..., None],
    *arrays: Matrix,
    n_threads: int | None = None,
    progress: Progress | None = None,
) -> None:
    """work(*blocks) for every block of rows; arrays are cut alike. Raises what work raises, first rows first.

    Blocks are independent and each writes its own rows, so the number of threads changes nothing but the time.
    """
    n_rows = len(arrays[0])
    n_workers = 1 if n_rows <= FEWEST_ROWS else n_threads or available_cores()
    step = _rows_of_a_block(n_rows, n_workers)
    if n_rows <= step:
        work(*arrays)
        _report(progress, n_rows, n_rows)
        return
    starts = range(0, n_rows, step)

    def block(start: int) -> int:
        try:
            work(*(array[start : start + step] for array in arrays))
        except errors.AdditivityViolated as exc:
            raise exc.moved(start) from exc
        return min(start + step, n_rows)

    if n_workers == 1:
        for start in starts:
            _report(progress, block(start), n_rows)
        return
    with concurrent.futures.ThreadPoolExecutor(n_workers, thread_name_prefix="trees") as pool:
        try:
            for done in pool.map(block, starts):
                _report(progress, done, n_rows)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _rows_of_a_block(n_rows: int, n_workers: int) -> int:
    """As many blocks for every thread as for the others: three blocks on two threads would leave one waiting."""
    if n_workers == 1:
        return ROWS
    n_blocks = -(-n_rows // (ROWS * n_workers)) * n_workers
    return -(-n_rows // n_blocks)


def available_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _report(progress: Progress | None, done: int, n_rows: int) -> None:
    if progress:
        progress(done, n_rows)
