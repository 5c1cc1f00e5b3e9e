"""The runtime door: requests to endpoints."""

from glasshouse.doors.runtime.app import RuntimeDoor
from glasshouse.doors.runtime.recording import Recorder

__all__ = ["Recorder", "RuntimeDoor"]
