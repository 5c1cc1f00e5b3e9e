"""What a record of the ledger holds: fields that anyone may verify, and personal fields under the subject's key."""

from __future__ import annotations

import array
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from cryptography.exceptions import InvalidTag

from glasshouse.kernel.ledger import subjects
from glassproof import canonical, segments

Kind = Literal["decision", "truth", "review", "erasure", "expiry"]
FORMAT = 1
_NONCE = 12
_MOST_PRIVATE = 3 * segments.LARGEST // 4 - (1 << 20)
"""Bytes of personal fields; with what base64 and the open fields add they fit into one record."""


class Altered(ValueError):
    """The personal fields of a record are not those that were written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A record to be.

    public: fields that stay readable, for example endpoint, model and time; nothing personal.
    private: fields that are encrypted. subject: the person's reference, "" if none was given.
    slot: the key of another record that this one is about, in place of `subject`.
    """

    kind: Kind
    id: str
    at: int
    public: Mapping[str, object]
    private: Mapping[str, object] = field(default_factory=dict)
    subject: str = ""
    slot: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A record as it stands in the ledger. `private` is None when the subject's key was destroyed."""

    seq: int
    kind: str
    id: str
    at: int
    slot: int
    public: dict[str, Any]
    private: dict[str, Any] | None

    @property
    def is_erased(self) -> bool:
        return self.private is None


def sealed(draft: Draft, keys: subjects.Subjects) -> dict[str, Any]:
    """The fields of the record, all but its number. Raises OSError when no key can be made, segments.TooLarge."""
    plain = canonical.encode(dict(draft.private))
    if len(plain) > _MOST_PRIVATE:
        raise segments.TooLarge(
            f"a record with {len(plain)} bytes of input and answer; it may have {_MOST_PRIVATE}"
        )
    key = keys.key_of(draft.slot) if draft.slot else keys.key_for(draft.subject)
    nonce = secrets.token_bytes(_NONCE)
    return {
        "v": FORMAT,
        "kind": draft.kind,
        "id": draft.id,
        "at": draft.at,
        "slot": key.slot,
        "public": dict(draft.public),
        "private": nonce + key.cipher.encrypt(nonce, plain, _bound(draft.kind, draft.id)),
    }


def opened(fields: Mapping[str, Any], keys: subjects.Subjects) -> Entry:
    """A record read. Raises Altered."""
    private = None
    try:
        cipher, box = keys.key_of(fields["slot"]).cipher, fields["private"]
        plain = cipher.decrypt(box[:_NONCE], box[_NONCE:], _bound(fields["kind"], fields["id"]))
        private = canonical.decode(plain)
    except subjects.Erased:
        pass
    except InvalidTag as error:
        raise Altered(
            f"the personal fields of record {fields['seq']} are not those that were written"
        ) from error
    return Entry(
        seq=fields["seq"],
        kind=fields["kind"],
        id=fields["id"],
        at=fields["at"],
        slot=fields["slot"],
        public=fields["public"],
        private=private,
    )


def plain(value: Any) -> Any:
    """Arrays as lists of floats, which JSON writes so that they read back the same."""
    if isinstance(value, array.array):
        return value.tolist()
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    return value


def _bound(kind: str, record_id: str) -> bytes:
    return canonical.encode([kind, record_id])
