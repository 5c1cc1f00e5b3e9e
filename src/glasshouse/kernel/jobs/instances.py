"""Instance types as limits: ml.<family>.<size> says how many processors and how much memory a host may use."""

from __future__ import annotations

import re

from glasshouse.kernel import errors
from glasshouse.kernel.ports import Limits

GIB = 1024**3
GIB_PER_CPU = {"c": 2.0, "t": 4.0, "m": 4.0, "r": 8.0, "x": 16.0}
ACCELERATED = frozenset({"p", "g", "inf", "trn"})
"""Families whose point is a processor that this server does not hand out."""
_SIZES = {"medium": 2, "large": 2, "xlarge": 4}
_TYPE = re.compile(r"ml\.(?P<family>[a-z]+)[a-z0-9\-]*\.(?P<size>\d*x?large|medium|metal)")


def limits_of(instance_type: str, *, time_s: float | None) -> Limits:
    """The limits of one host. A machine with less gives what it has.

    Raises errors.Validation for a type whose size cannot be told.
    """
    found = _TYPE.fullmatch(instance_type)
    if found is None or found["size"] == "metal":
        raise errors.Validation(
            f"InstanceType {instance_type} is not known; use ml.<family>.<size>, for instance ml.m5.xlarge."
        )
    if found["family"] in ACCELERATED:
        raise errors.Validation(
            f"InstanceType {instance_type} has accelerators, which this server does not offer; "
            "choose a type of the families t, m, c, r or x."
        )
    cpus = _SIZES.get(found["size"]) or 4 * int(found["size"].removesuffix("xlarge"))
    per_cpu = GIB_PER_CPU.get(found["family"]) or GIB_PER_CPU.get(found["family"][0], 4.0)
    if found["size"] == "medium":
        per_cpu /= 2  # ml.t3.medium has two processors and 4 GiB
    return Limits(cpus=float(cpus), memory_bytes=int(cpus * per_cpu * GIB), time_s=time_s)
