"""A capability, as the composition root hands it to the kernel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING

from glasshouse.kernel.kinds import Kind

if TYPE_CHECKING:
    from glasshouse.kernel.context import Ports
    from glasshouse.kernel.work import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """What one folder of capabilities/ contributes: kinds, irregular operations, and steps of work by noun."""

    name: str
    kinds: tuple[Kind, ...] = ()
    operations: tuple[ModuleType, ...] = ()
    steps: Mapping[str, Step] = field(default_factory=dict)
    at_end: Callable[[Ports], None] | None = None
    """Called when the server is told to end, after the last step of work."""
