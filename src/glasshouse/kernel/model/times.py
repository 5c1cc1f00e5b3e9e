"""Instants as they are written on the wire."""

from __future__ import annotations

import datetime as dt
import email.utils


def parse(value: object) -> dt.datetime | None:
    """An aware UTC datetime for epoch seconds, ISO 8601 or RFC 7231 text, or a datetime; None for anything else."""
    if isinstance(value, dt.datetime):
        return _aware(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return dt.datetime.fromtimestamp(value, dt.UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _text(value: str) -> dt.datetime | None:
    try:
        return _aware(dt.datetime.fromisoformat(value))
    except ValueError:
        pass
    try:
        return _aware(email.utils.parsedate_to_datetime(value))
    except (ValueError, TypeError, IndexError):
        return None


def _aware(value: dt.datetime) -> dt.datetime | None:
    try:
        return value.astimezone(dt.UTC) if value.tzinfo else value.replace(tzinfo=dt.UTC)
    except OverflowError:
        return None
