"""Where Unix sockets can be: their paths may have 107 bytes and no more."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from glasshouse.kernel import errors

LONGEST = 107
"""sun_path has 108 bytes, the last of which is 0."""
_SHORT = Path("/tmp")  # noqa: S108 - what is made there is checked to be ours alone


def short_enough(wanted: Path, name: str) -> Path:
    """`wanted` where `name` below it fits, else a directory of ours below /tmp that stands for it.

    Raises errors.Fatal when the name itself is too long, or another user got to the place first.
    """
    if len(os.fsencode(wanted / name)) <= LONGEST:
        return wanted
    digest = hashlib.sha256(os.fsencode(wanted)).hexdigest()[:12]
    place = _SHORT / f"glasshouse-{os.geteuid()}-{digest}"
    if len(os.fsencode(place / name)) > LONGEST:
        raise errors.Fatal(f"The name {name} is too long for a Unix socket.")
    place.mkdir(mode=0o700, exist_ok=True)
    info = place.lstat()
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.geteuid() or stat.S_IMODE(info.st_mode) != 0o700:
        raise errors.Fatal(f"{place} is not a directory that only this user can enter; remove it.")
    return place
