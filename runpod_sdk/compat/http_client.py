"""What code imports from the official `runpod.http_client`: sessions, a header, an exception."""

from __future__ import annotations

import os
from typing import Self

from runpod_sdk import errors

from . import _access

TooManyRequests = errors.RateLimitError


def get_auth_header() -> dict[str, str]:
    """Return what the official package sends to the management API; it holds the key.

    The key is that of ~/.runpod/config.toml, else RUNPOD_AI_API_KEY, which a worker has.
    """
    key = _access.configured_key() or os.environ.get("RUNPOD_AI_API_KEY", "")
    return {"Content-Type": "application/json", "Authorization": key, "Accept-Encoding": "gzip, deflate"}


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


ClientSession = AsyncClientSession


class SyncClientSession:
    """Stands where a session of `requests` stood. It holds no connections, and calls nothing."""

    def close(self) -> None:
        """Do nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
