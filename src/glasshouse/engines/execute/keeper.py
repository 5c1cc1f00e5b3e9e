"""Starts a job's keeper: `python -I -S keeper.py RUN_DIR`, a program of its own.

It returns status 0 once a detached keeper owns the run, this one or an earlier one. The packages'
`__init__` modules are stood in for, since what they import would cost every job's start more than the
sandbox does.
"""

# pathlib would cost every job's start 5 ms
# ruff: noqa: PTH100, PTH120

from __future__ import annotations

import os
import sys
import time
import types


def _stand_in(package: str, directory: str) -> None:
    module = types.ModuleType(package)
    module.__path__ = [directory]
    sys.modules[package] = module


def main() -> None:
    here = os.path.dirname(os.path.abspath(__file__))
    engines = os.path.dirname(here)
    _stand_in("glasshouse", os.path.dirname(engines))
    _stand_in("glasshouse.engines", engines)
    _stand_in("glasshouse.engines.execute", here)
    from glasshouse.engines.execute import keeping

    sys.exit(keeping.detach(sys.argv[1], now=time.time))


if __name__ == "__main__":
    main()
