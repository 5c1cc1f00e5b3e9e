"""A host's output, cut into log lines."""

from __future__ import annotations

import json

LONGEST = 256 * 1024 - 26
"""The longest line in bytes; CloudWatch Logs takes no longer event."""
_THINNED_MS = 1000


class Lines:
    """Turns bytes into JSON lines {"t": milliseconds, "m": text}.

    A line ends at a newline. What a carriage return overwrites is dropped, as on a terminal, but for
    one line a second, so that a progress bar can be followed without filling the log. Bytes that are
    no UTF-8 become U+FFFD; a line over LONGEST is cut in pieces. Times never go back.
    """

    def __init__(self, started_ms: int) -> None:
        self._rest = b""
        self._t = started_ms

    def feed(self, chunk: bytes, at_ms: int) -> bytes:
        """The log lines that `chunk` completes."""
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        out = [self._line(_last_written(line), at_ms) for line in whole]
        seen, returned, tail = self._rest.rstrip(b"\r").rpartition(b"\r")
        if returned:
            if at_ms - self._t >= _THINNED_MS:
                out.append(self._line(_last_written(seen), at_ms))
            self._rest = tail + self._rest[len(self._rest.rstrip(b"\r")) :]
        while len(self._rest) > LONGEST:
            cut = _boundary(self._rest, LONGEST)
            out.append(self._line(self._rest[:cut], at_ms))
            self._rest = self._rest[cut:]
        return b"".join(out)

    def close(self, at_ms: int) -> bytes:
        """The last line, when it had no newline."""
        rest, self._rest = _last_written(self._rest), b""
        return self._line(rest, at_ms) if rest else b""

    def _line(self, text: bytes, at_ms: int) -> bytes:
        self._t = max(self._t, at_ms)
        pieces = []
        while len(text) > LONGEST:
            cut = _boundary(text, LONGEST)
            pieces.append(text[:cut])
            text = text[cut:]
        pieces.append(text)
        return b"".join(encode(self._t, piece.decode("utf-8", "replace")) for piece in pieces)


def encode(t_ms: int, text: str) -> bytes:
    """One line of a log file."""
    return json.dumps({"t": t_ms, "m": text}, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _last_written(line: bytes) -> bytes:
    return line.rstrip(b"\r").rpartition(b"\r")[2]


def _boundary(data: bytes, at: int) -> int:
    """The last place up to `at` that does not cut a UTF-8 character in two."""
    for back in range(4):
        if data[at - back] & 0xC0 != 0x80:
            return at - back
    return at
