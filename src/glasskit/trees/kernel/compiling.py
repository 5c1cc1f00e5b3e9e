"""Compiles the kernel into one shared library beside its sources. Standard library only: it runs inside the build.

The machine's own compiler is used when there is one, else the `ziglang` package (a C compiler from the index).
"""

from __future__ import annotations

import importlib.util
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
LIBRARY = FOLDER / "kernel.so"
COMPILERS = ("cc", "gcc", "clang")
FLAGS = (
    "-std=gnu11",
    "-O3",
    "-fPIC",
    "-ffp-contract=off",
    "-fno-strict-aliasing",
    "-fvisibility=hidden",
    "-Wall",
    "-Wextra",
    "-Wno-psabi",
)
ONCE = ("model.c", "tables.c", "links.c", "pairs.c")
EACH_LEVEL = ("lanes.c", "lookup.c")
LEVELS: Mapping[str, tuple[str, ...]] = {
    "plain": (),
    "avx2": ("-mavx2",),
    "avx512": ("-mavx512f", "-mavx512dq", "-mavx512bw", "-mavx512vl"),
}


class NoCompiler(Exception):
    """There is nothing here that compiles C."""


def system_compiler() -> list[str] | None:
    """The command of the machine's C compiler, if it has one that works."""
    for name in COMPILERS:
        found = shutil.which(name)
        if found and _works([found]):
            return [found]
    return None


def compiler() -> list[str]:
    """The command of the compiler to use. Raises NoCompiler."""
    found = system_compiler()
    if found:
        return found
    if importlib.util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc", "-fno-sanitize=undefined"]
    raise NoCompiler("There is no C compiler (cc, gcc, clang) and no ziglang package.")


def build(command: list[str], target: Path = LIBRARY) -> Path:
    """Compiles the library and puts it in place in one step. Raises subprocess.CalledProcessError."""
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        parts = [_object(command, name, Path(folder) / f"{name}.o") for name in ONCE]
        for level, flags in levels().items():
            for name in EACH_LEVEL:
                target_name = Path(folder) / f"{name}_{level}.o"
                parts.append(_object(command, name, target_name, f"-DLEVEL={level}", *flags))
        linked = Path(folder) / target.name
        _run([*command, "-shared", *map(str, parts), "-lm", "-o", str(linked)])
        linked.replace(target)
    return target


def levels() -> Mapping[str, tuple[str, ...]]:
    """The instruction sets to compile for, with the compiler's flags."""
    if platform.machine().lower() in ("x86_64", "amd64"):
        return LEVELS
    return {"plain": ()}


def _object(command: list[str], source: str, target: Path, *flags: str) -> Path:
    _run([*command, *FLAGS, *flags, "-c", str(FOLDER / source), "-o", str(target)])
    return target


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def _works(command: list[str]) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "try.c"
        source.write_text("#include <math.h>\nint main(void) { return 0; }\n", encoding="utf-8")
        try:
            done = subprocess.run(
                [*command, str(source), "-o", str(source.with_suffix(""))], capture_output=True, check=False
            )
        except OSError:
            return False
    return done.returncode == 0


if __name__ == "__main__":
    sys.stdout.write(f"{build(compiler())}\n")
