"""The command line: `glasshouse up`, `env`, `doctor`, and a verb for every operation on offer."""

from __future__ import annotations

from glasshouse.doors.cli.commands import main
from glasshouse.doors.cli.failures import Failed
from glasshouse.doors.cli.root import Analyses, Decisions, Demo, Keys, Root, Wish

__all__ = ["Analyses", "Decisions", "Demo", "Failed", "Keys", "Root", "Wish", "main"]
