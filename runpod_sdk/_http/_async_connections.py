"""Connections to the one origin that a client calls, for the tasks of one loop, over asyncio's own sockets.

Which connection carries a request is decided as for threads, in `_connections.py`; what holds there holds here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, cast

import httpcore

from ._connections import Origin, Stack, in_words_of_httpx
from ._message import unpacked_async
from ._trace import Trace

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable

    from ._message import Address, Transfer

# Bytes that wait to be read before the far side is made to wait, per connection; ours.
_BUFFER_MAX = 2**20


class AsyncConnections:
    """Connections for the tasks of one loop: `most` at once, idle ones for `keepalive` seconds."""

    def __init__(self, address: Address, *, most: int, keepalive: float) -> None:
        self._origin = Origin(address)
        origin, verify, backend = self._origin.value, address.verify, _Backend()

        def make() -> httpcore.AsyncHTTPConnection:
            return httpcore.AsyncHTTPConnection(origin, verify, keepalive_expiry=keepalive, network_backend=backend)

        self._stack: Stack[httpcore.AsyncHTTPConnection] = Stack(make, keepalive)
        self._places = asyncio.Semaphore(most)

    async def carry(self, transfer: Transfer) -> None:
        """Make one request, and feed it its answer."""
        trace = Trace(transfer, tells=True)
        async with self._places:
            connection = self._stack.take()
            try:
                with in_words_of_httpx():
                    answer = await connection.handle_async_request(self._origin.request(transfer, trace.note_async))
                    try:
                        is_packed = transfer.begin(answer.status, answer.headers)
                        parts = answer.aiter_stream()
                        async for part in unpacked_async(answer.headers, parts) if is_packed else parts:
                            transfer.feed(part)
                    finally:
                        await answer.aclose()
            finally:
                self._stack.put(connection)
                for outdated in self._stack.outdated():
                    await outdated.aclose()

    async def close(self) -> None:
        """Close every connection."""
        for connection in self._stack.all():
            await connection.aclose()


class _Backend(httpcore.AsyncNetworkBackend):
    """Opens connections with asyncio. The time of a request is bounded as a whole, by who makes it."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> _Stream:
        loop = asyncio.get_running_loop()
        # uvloop knows no such argument.
        race: dict[str, Any] = {"happy_eyeballs_delay": 0.25} if isinstance(loop, asyncio.BaseEventLoop) else {}
        try:
            _, stream = await loop.create_connection(_Stream, host, port, **race)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        return stream


class _Stream(asyncio.Protocol, httpcore.AsyncNetworkStream):
    """One connection of asyncio's, to be read by one task at a time."""

    def __init__(self) -> None:
        self._parts: deque[bytes] = deque()
        self._size = 0
        self._paused = False
        self._over = False
        self._error: Exception | None = None
        self._transport: asyncio.Transport
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._parts.append(data)
        self._size += len(data)
        if self._size > _BUFFER_MAX and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._wake(self._reader)

    def eof_received(self) -> None:
        self._over = True
        self._wake(self._reader)

    def connection_lost(self, exc: Exception | None) -> None:
        self._over, self._error = True, exc
        self._wake(self._reader)
        self._wake(self._writer)

    def pause_writing(self) -> None:
        self._writer = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        self._wake(self._writer)
        self._writer = None

    @staticmethod
    def _wake(waiter: asyncio.Future[None] | None) -> None:
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Return what has come, however much; nothing once the far side has closed."""
        while not (self._parts or self._over):
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        if self._parts:
            data = self._parts.popleft()
            self._size -= len(data)
            if self._paused and not self._parts:
                self._paused = False
                self._transport.resume_reading()
            return data
        if self._error is not None:
            raise httpcore.ReadError(str(self._error)) from self._error
        return b""

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if not self._transport.is_closing():
            self._transport.write(buffer)
            if self._writer is not None:
                await self._writer
        if self._transport.is_closing():
            raise httpcore.WriteError(str(self._error or "the connection is closed"))

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> _Stream:
        loop, plain = asyncio.get_running_loop(), self._transport
        try:
            secure = await loop.start_tls(plain, self, ssl_context, server_hostname=server_hostname)
        except BaseException as error:
            plain.abort()
            if isinstance(error, OSError):
                raise httpcore.ConnectError(str(error)) from error
            raise
        if secure is None:
            raise httpcore.ConnectError("the connection was closed")
        self._transport = secure
        return self

    async def aclose(self) -> None:
        self._transport.abort()  # what is left of a request that was cancelled is not sent

    def get_extra_info(self, info: str) -> Any:
        # What comes on an idle connection is no answer to the next request: a farewell, or the end.
        return bool(self._parts or self._over) if info == "is_readable" else None
