"""Anchors of the decision ledger in a bucket with object lock: <prefix>/<ledger>/<key>/<seq>-<chain>-<at>.anchor.

The name says the whole anchor, so that writing an object again changes nothing, and listing reads them all. The content is
the anchor's line: all objects of a ledger, joined, are a file of anchors.
"""

from __future__ import annotations

import re

from glasshouse.engines.files import s3
from glassproof import anchors

_NAME = re.compile(
    r"(?P<ledger>[0-9a-f]+)/(?P<key>[0-9a-f]+)/(?P<seq>[0-9]{16})-(?P<chain>[0-9a-f]{64})-(?P<at>[0-9]+)\.anchor"
)


class S3Anchors:
    """The anchors in one bucket. Raises OSError when it is unwell."""

    def __init__(self, access: s3.Access) -> None:
        self._names = s3.S3Names(access)

    def put(self, anchor: anchors.Anchor) -> None:
        """Kept when this returns."""
        where = f"{anchor.ledger}/{anchor.key}"
        self._names.put(f"{where}/{anchor.seq:016d}-{anchor.chain}-{anchor.at}.anchor", anchor.line())

    def read(self, ledger: str) -> list[anchors.Anchor]:
        """All anchors of a ledger. Names that are none's are passed over."""
        found = (_NAME.fullmatch(name) for name in self._names.names(f"{ledger}/"))
        return [
            anchors.Anchor(
                ledger=one["ledger"],
                key=one["key"],
                seq=int(one["seq"]),
                chain=one["chain"],
                at=int(one["at"]),
            )
            for one in found
            if one is not None
        ]
