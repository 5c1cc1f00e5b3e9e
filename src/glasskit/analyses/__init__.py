"""Whole analyses of a model file and a table: explain, bias, recourse. What the command line runs, without a server.

`questions` says what can be asked; `explaining.run`, `assessing.run` and `changing.run` answer.
"""

from __future__ import annotations

__all__ = ["assessing", "changing", "explaining", "models", "outputs", "questions", "rows", "terminal"]
