"""The session that code for the official asyncio client opens."""

from __future__ import annotations

from typing import Self


class AsyncClientSession:
    """Stands where an aiohttp session stood. It holds no connections, and closing it closes none.

    All `AsyncioEndpoint`s of an event loop share connections by key and address; they are closed when the loop is shut
    down, as `asyncio.run` does. A session of aiohttp may be passed as well, and is not used either.

    Arguments are those of `aiohttp.ClientSession`, and without effect: timeouts belong to calls.
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        del args, kwargs
        self.closed = False

    async def close(self) -> None:
        """Mark it as closed."""
        self.closed = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()
