"""The runtime door: requests to endpoints."""

from glasshouse.doors.runtime.app import RuntimeDoor

__all__ = ["RuntimeDoor"]
