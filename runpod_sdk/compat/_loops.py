"""One `AsyncClient` per key, address and event loop, closed when the loop shuts down."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from runpod_sdk._client._async import AsyncClient

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from ._access import Access

Place = tuple[asyncio.AbstractEventLoop, "Access"]
_CLIENTS: dict[Place, tuple[AsyncClient, AsyncGenerator[None]]] = {}


def client_of(access: Access) -> AsyncClient:
    """Return the one client of a key and an address in the running loop.

    Raises:
        RuntimeError: no loop is running.
    """
    place = asyncio.get_running_loop(), access
    found = _CLIENTS.get(place)
    if found is not None:
        return found[0]
    for former in list(_CLIENTS):  # a copy: other threads have loops, too
        if former[0].is_closed():
            _CLIENTS.pop(former, None)
    client = AsyncClient(access.api_key, base_url=access.base_url, allow_http=True)
    keeper = _kept(place, client)
    _CLIENTS[place] = client, keeper
    # A loop closes the async generators that were begun in it (shutdown_asyncgens): this one is, and then closes the
    # client. It waits for nothing, so its first step is there at once.
    with suppress(StopIteration):
        anext(keeper).__await__().send(None)
    return client


async def _kept(place: Place, client: AsyncClient) -> AsyncGenerator[None]:
    try:
        yield
    finally:
        _CLIENTS.pop(place, None)
        await client.aclose()
