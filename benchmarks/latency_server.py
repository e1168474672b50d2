"""The emulator, on loopback and behind a proxy with a way to go; its handlers return and yield the time.

python benchmarks/latency_server.py      prints where it is, answers each line with the number of requests so far
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ONE_WAY = 0.025  # seconds, through the proxy
PACE, CHUNKS = 0.1, 10


class Delayed(asyncio.Protocol):
    """One side of a proxied connection; what comes goes out on the other after `ONE_WAY`."""

    def __init__(self, other: Delayed | None, port: int) -> None:
        self._other = other
        self._port = port
        self._early: list[bytes] = []
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open the other side, if this is the caller's."""
        self._transport = cast("asyncio.Transport", transport)
        if self._other is None:
            self._other = Delayed(self, self._port)
            loop = asyncio.get_running_loop()
            self._opening = asyncio.ensure_future(loop.create_connection(lambda: self._other, "127.0.0.1", self._port))
        for data in self._early:
            self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        """Hand on, later."""
        if self._other is not None:
            asyncio.get_running_loop().call_later(ONE_WAY, self._other.send, data)

    def send(self, data: bytes) -> None:
        """Send, as soon as there is a connection."""
        if self._transport is None:
            self._early.append(data)
        else:
            self._transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's signature
        """Close the other side too."""
        if self._other is not None and self._other._transport is not None:
            asyncio.get_running_loop().call_later(ONE_WAY, self._other._transport.close)


def serve() -> None:
    """Serve until standard input ends; answer each line with the number of requests so far."""
    from runpod_sdk.emulator import Emulator

    async def plain(job: dict[str, Any]) -> float:
        await asyncio.sleep(job["input"]["work"])
        return time.time()

    async def chunked(_: dict[str, Any]) -> AsyncIterator[float]:
        for _turn in range(CHUNKS):
            await asyncio.sleep(PACE)
            yield time.time()

    async def main(emulator: Emulator, url: str, key: str) -> None:
        port = urlsplit(url).port or 0
        loop = asyncio.get_running_loop()
        proxy = await loop.create_server(lambda: Delayed(None, port), "127.0.0.1", 0)
        behind = url.replace(str(port), str(proxy.sockets[0].getsockname()[1]))
        print(json.dumps({"loopback": url, "50 ms": behind, "key": key}), flush=True)
        while await loop.run_in_executor(None, sys.stdin.readline):
            print(len(emulator.requests), flush=True)

    with Emulator() as emulator:
        emulator.endpoint("plain", plain, workers=4)
        emulator.endpoint("chunked", chunked, workers=4)
        with emulator.serve() as server:
            asyncio.run(main(emulator, str(server.connection["base_url"]), str(server.connection["api_key"])))


if __name__ == "__main__":
    serve()
