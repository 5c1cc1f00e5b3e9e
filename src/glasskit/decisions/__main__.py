"""`python -m glasskit.decisions`: replays decisions that come as JSON lines, each with the folder of bundles it needs.

A line of input: {"id", "bundle" (a digest), "decision"}. A line of output: {"id", "differences": [{"where", "recorded",
"replayed"}], "problem": a sentence, or ""}. Bundles are read from FOLDER/<digest>. It needs no network and writes nothing.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import sys
from pathlib import Path
from typing import Any

from glasskit import trees
from glasskit.decisions import bundles, deciding, replaying


def main(arguments: list[str]) -> int:
    folder = Path(arguments[0])
    find = functools.cache(lambda digest: _decider(folder, digest))
    for line in sys.stdin:
        asked = json.loads(line)
        sys.stdout.write(json.dumps(_replayed(asked, find)) + "\n")
        sys.stdout.flush()
    return 0


def _replayed(asked: dict[str, Any], find: Any) -> dict[str, Any]:
    found = find(asked["bundle"])
    if isinstance(found, str):
        return {"id": asked["id"], "differences": [], "problem": found}
    try:
        odd = replaying.differences(found, asked["decision"])
    except (KeyError, TypeError, ValueError, trees.TreesError) as error:
        return {"id": asked["id"], "differences": [], "problem": f"the record cannot be replayed: {error}"}
    return {"id": asked["id"], "differences": [dataclasses.asdict(one) for one in odd], "problem": ""}


def _decider(folder: Path, digest: str) -> deciding.Decider | str:
    """The decider of a bundle, or a sentence on why there is none."""
    try:
        data = (folder / digest).read_bytes()
    except OSError as error:
        return f"the model {digest} is not in the ledger: {error.strerror}"
    try:
        return deciding.Decider(bundles.from_bytes(data, expected=digest))
    except bundles.BundleUnreadable as error:
        return f"the model {digest} is refused: {error}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
