"""Where an endpoint's requests go: written by what keeps its servers, read by the door, in the endpoint's row."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from glasshouse.kernel import errors
from glasshouse.kernel.records import Record

ROUTES = "_routes"
LEAST_OUTSTANDING = "LEAST_OUTSTANDING_REQUESTS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A production variant and the addresses of its servers that are ready.

    explains: with an explainer. records: every decision goes into the ledger before it is answered; `model` is then
    the model's name, `model_digest` that of its data, `environment` that of what it runs in, `served` that of all of it
    together as the ledger keeps it.
    """

    name: str
    weight: float
    strategy: str
    log_group: str
    addresses: tuple[str, ...]
    explains: bool = False
    records: bool = False
    model: str = ""
    model_digest: str = ""
    environment: str = ""
    served: str = ""


def written(variants: Iterable[Variant]) -> list[dict[str, Any]]:
    """The value of the row's member ROUTES."""
    return [{**dataclasses.asdict(variant), "addresses": list(variant.addresses)} for variant in variants]


def of(record: Record) -> tuple[Variant, ...]:
    """The variants of an endpoint that answers; empty when none does."""
    found: Sequence[Mapping[str, Any]] = record.doc.get(ROUTES, ())
    return tuple(Variant(**{**one, "addresses": tuple(one["addresses"])}) for one in found)


def choose_variant(variants: Sequence[Variant], *, target: str, chance: random.Random) -> Variant:
    """The variant named by the request, or one at random by weight among those that have servers.

    Raises errors.Validation for an unknown target and errors.WireError (503) when nothing is ready.
    """
    if target:
        variants = [variant for variant in variants if variant.name == target]
        if not variants:
            raise errors.Validation(f"Variant {target} not found.", code="ValidationError")
    ready = [variant for variant in variants if variant.addresses]
    if not ready:
        raise errors.WireError("No model server is ready; try again.", code="ServiceUnavailable", status=503)
    weights = [variant.weight for variant in ready]
    if sum(weights) <= 0:
        weights = [1.0] * len(ready)
    return chance.choices(ready, weights)[0]


def choose_address(
    variant: Variant, *, tried: Iterable[str], outstanding: Callable[[str], int], chance: random.Random
) -> str | None:
    """A server of the variant that was not tried yet: the least busy, or any; None when all were."""
    left = [address for address in variant.addresses if address not in set(tried)]
    if not left:
        return None
    if variant.strategy == LEAST_OUTSTANDING:
        least = min(outstanding(address) for address in left)
        left = [address for address in left if outstanding(address) == least]
    return chance.choice(left)
