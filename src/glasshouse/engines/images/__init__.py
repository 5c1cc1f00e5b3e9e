"""Images without containers: an image URI stands for a runtime, a runtime for a locked environment."""

from __future__ import annotations

from glasshouse.engines.images.locked import LockedImages

__all__ = ["LockedImages"]
