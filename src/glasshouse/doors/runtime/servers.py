"""HTTP to model servers, one pool of connections for each address."""

from __future__ import annotations

import asyncio
import collections
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp

UNIX = "unix:"
MOST_POOLS = 256


class Unreachable(Exception):
    """The server could not be reached, or went away before it answered a byte."""


class TooSlow(Exception):
    """The server did not answer in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a model server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Servers:
    """Connections to model servers. Belongs to one event loop."""

    def __init__(self) -> None:
        self._pools: collections.OrderedDict[str, aiohttp.ClientSession] = collections.OrderedDict()
        self._outstanding: collections.Counter[str] = collections.Counter()

    def outstanding(self, address: str) -> int:
        """How many requests wait for this server's answer."""
        return self._outstanding[address]

    async def post(
        self, address: str, path: str, body: bytes, headers: Mapping[str, str], *, timeout_s: float
    ) -> Reply:
        """Raises Unreachable and TooSlow."""
        return await self._ask("POST", address, path, body, headers, timeout_s)

    async def get(self, address: str, path: str, *, timeout_s: float) -> Reply:
        """Raises Unreachable and TooSlow."""
        return await self._ask("GET", address, path, b"", {}, timeout_s)

    async def _ask(
        self,
        method: str,
        address: str,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        timeout_s: float,
    ) -> Reply:
        session = await self._session(address)
        self._outstanding[address] += 1
        try:
            async with (
                asyncio.timeout(timeout_s),
                session.request(method, _url(address) + path, data=body, headers=headers) as response,
            ):
                return Reply(status=response.status, headers=response.headers, body=await response.read())
        except TimeoutError as error:
            raise TooSlow(address) from error
        except aiohttp.ClientError as error:
            raise Unreachable(f"{address}: {type(error).__name__}") from error
        finally:
            self._outstanding[address] -= 1

    async def close(self) -> None:
        while self._pools:
            await self._pools.popitem()[1].close()

    async def _session(self, address: str) -> aiohttp.ClientSession:
        found = self._pools.get(address)
        if found is None:
            found = self._pools[address] = aiohttp.ClientSession(
                connector=_connector(address),
                auto_decompress=False,
                skip_auto_headers=("Content-Type", "User-Agent", "Accept", "Accept-Encoding"),
                timeout=aiohttp.ClientTimeout(total=None),
            )
        self._pools.move_to_end(address)
        await self._shrink()
        return found

    async def _shrink(self) -> None:
        """Closes the pools used longest ago that are idle."""
        for address in list(self._pools)[: max(0, len(self._pools) - MOST_POOLS)]:
            if not self._outstanding[address]:
                await self._pools.pop(address).close()


def _connector(address: str) -> aiohttp.BaseConnector:
    if address.startswith(UNIX):
        return aiohttp.UnixConnector(path=address.removeprefix(UNIX), limit=0)
    return aiohttp.TCPConnector(limit=0)


def _url(address: str) -> str:
    return "http://model" if address.startswith(UNIX) else address
