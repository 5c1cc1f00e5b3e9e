"""The CONNECT door: clients with STS's https address built in reach this server through HTTPS_PROXY.

The SDKs ask `https://sts.<region>.amazonaws.com` whatever endpoint they are given. A client whose HTTPS_PROXY is
this door and whose AWS_CA_BUNDLE is our authority's certificate gets its answer here; every other host is refused.
"""

from __future__ import annotations

from glasshouse.doors.connect.authority import Authority, ends_at_a_root, load_or_make
from glasshouse.doors.connect.proxy import CannotStart, Proxy

__all__ = ["Authority", "CannotStart", "Proxy", "ends_at_a_root", "load_or_make"]
