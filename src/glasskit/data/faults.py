"""What can be wrong with data that somebody else wrote.

DataFault(ValueError)
├── UnsupportedType    the content type is none that the reader knows
└── Unreadable         the bytes are not what their content type says
"""

from __future__ import annotations


class DataFault(ValueError):
    """The data, or what is said of it, cannot be used; the message says why."""


class UnsupportedType(DataFault):
    """The content type is none of the accepted ones."""

    def __init__(self, content_type: str, accepted: tuple[str, ...]) -> None:
        super().__init__(f"{content_type} is not an accepted ContentType: {', '.join(accepted)}.")
        self.content_type = content_type


class Unreadable(DataFault):
    """The bytes do not follow their format."""

    def __init__(self, where: str, format_name: str, detail: str) -> None:
        super().__init__(f"Failed to load {format_name} data from {where}: {detail}")
