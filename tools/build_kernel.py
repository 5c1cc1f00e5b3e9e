"""Hatch's build hook: compiles glasskit's tree kernel beside its sources, where the package looks for it.

The machine's C compiler does it, or else the `ziglang` package, which the build then asks for. Should neither
work, the package is built without a kernel and explains trees with NumPy. GLASSKIT_WITHOUT_KERNEL=1 asks for that.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sysconfig
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "glasskit" / "trees" / "kernel" / "compiling.py"


class KernelBuildHook(BuildHookInterface):  # type: ignore[type-arg]  # hatchling's own documentation writes it so
    """Compiles the kernel in every kind of wheel; a source distribution needs none."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """What the build needs beyond hatchling."""
        return [] if _unwanted() or _compiling().system_compiler() else ["ziglang"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Runs before the wheel is put together."""
        if self.target_name != "wheel" or _unwanted():
            return
        compiling = _compiling()
        try:
            library = compiling.build(compiling.compiler())
        except (compiling.NoCompiler, subprocess.CalledProcessError, OSError) as exc:
            self.app.display_warning(f"Built without the tree kernel; NumPy takes its place: {exc}")
            return
        build_data["artifacts"].append(str(library.relative_to(ROOT)))
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"


def _unwanted() -> bool:
    return os.environ.get("GLASSKIT_WITHOUT_KERNEL", "") not in ("", "0")


def _compiling() -> ModuleType:
    """The package's own module, without importing the package and its dependencies."""
    spec = importlib.util.spec_from_file_location("compiling", SOURCE)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(SOURCE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
