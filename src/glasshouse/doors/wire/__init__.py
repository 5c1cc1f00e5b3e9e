"""AWS's JSON, query and REST-JSON protocols over HTTP, in front of the operations registry."""

from glasshouse.doors.wire.app import Calls, WireDoor

__all__ = ["Calls", "WireDoor"]
