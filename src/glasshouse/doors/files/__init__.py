"""The files door: S3 for its own clients, over the kernel's objects."""

from glasshouse.doors.files.door import FilesDoor

__all__ = ["FilesDoor"]
