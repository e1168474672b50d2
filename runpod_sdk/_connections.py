"""Connections to the one origin that a client calls, over httpcore2: for threads, and for the tasks of one loop.

The HTTP is httpcore2's. Decided here is which connection carries a request: with one origin, the one that was used
last, so a stack does, where httpcore2's own pool looks through all its connections (docs/transports.md). The sockets of
tasks are asyncio's own.

Errors are httpx's: ConnectError, ConnectTimeout and PoolTimeout are raised only where not one byte of the request has
left. Nothing here repeats a request.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import httpcore2
import httpx

from ._deadlines import Bounded
from ._message import unpacked, unpacked_async

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Generator, Iterable

    from ._message import Address, Incoming, Outgoing

C = TypeVar("C", httpcore2.HTTPConnection, httpcore2.AsyncHTTPConnection)

# Bytes that wait to be read before the far side is made to wait, per connection; ours.
_BUFFER_MAX = 2**20


class Stack(Generic[C]):
    """The connections of one pool, the one that was used last on top."""

    def __init__(self, make: Callable[[], C], keepalive: float) -> None:
        self._make: Callable[[], C] = make
        self._keepalive = keepalive
        self._lock = threading.Lock()
        self._open: set[C] = set()
        self._idle: deque[tuple[float, C]] = deque()
        self._over: list[C] = []

    def take(self) -> C:
        """Return a connection for one request: an idle one that is alive, or a new one."""
        with self._lock:
            while self._idle:
                _, connection = self._idle.pop()
                if not connection.has_expired():
                    return connection
                self._over.append(connection)
            new = self._make()
            self._open.add(new)
            return new

    def put(self, connection: C) -> None:
        """Take it back after its request, whatever came of that."""
        now = monotonic()
        with self._lock:
            if connection.is_available() and connection in self._open:
                self._idle.append((now, connection))
            else:
                self._over.append(connection)
            while self._idle and self._idle[0][0] < now - self._keepalive:
                self._over.append(self._idle.popleft()[1])

    def outdated(self) -> list[C]:
        """Return, once, those that are to be closed."""
        if not self._over:
            return []
        with self._lock:
            outdated, self._over = self._over, []
            self._open.difference_update(outdated)
        return outdated

    def all(self) -> list[C]:
        """Return, once, all that are open."""
        with self._lock:
            found = list(self._open)
            self._open.clear()
            self._idle.clear()
        return found


class _Origin:
    """A service as httpcore2 writes it."""

    def __init__(self, address: Address) -> None:
        url = httpx.URL(address.base_url)
        self._scheme, self._host, self._port = url.raw_scheme, url.raw_host, url.port
        self._prefix = url.raw_path.rstrip(b"/")
        self._netloc = url.netloc

    @property
    def value(self) -> httpcore2.Origin:
        return httpcore2.Origin(self._scheme, self._host, self._port or (443 if self._scheme == b"https" else 80))

    def request(self, sent: Outgoing) -> httpcore2.Request:
        headers = {b"host": self._netloc}
        if sent.method != "GET":
            headers[b"content-length"] = b"%d" % len(sent.content or b"")
        for name, text in sent.headers.items():
            headers[name.encode()] = text.encode()
        target = self._prefix + sent.target.encode()
        limit = sent.timeout
        return httpcore2.Request(
            sent.method,
            httpcore2.URL(scheme=self._scheme, host=self._host, port=self._port, target=target),
            headers=list(headers.items()),
            content=sent.content,
            extensions={"timeout": {"connect": limit, "read": limit, "write": limit}},
        )


class Connections:
    """Connections for threads: `most` at once, idle ones for `keepalive` seconds."""

    def __init__(self, address: Address, *, most: int, keepalive: float) -> None:
        self._origin = _Origin(address)
        origin, verify = self._origin.value, address.verify
        backend = cast("httpcore2.NetworkBackend", Bounded(httpcore2.SyncBackend()))

        def make() -> httpcore2.HTTPConnection:
            return httpcore2.HTTPConnection(origin, verify, keepalive_expiry=keepalive, network_backend=backend)

        self._stack: Stack[httpcore2.HTTPConnection] = Stack(make, keepalive)
        self._places = threading.BoundedSemaphore(most)

    def exchange(self, sent: Outgoing, incoming: Incoming) -> None:
        """Make one request, and feed its answer to `incoming`."""
        if not self._places.acquire(timeout=sent.timeout):
            raise httpx.PoolTimeout("every connection is in use")
        try:
            connection = self._stack.take()
            try:
                with _in_words_of_httpx():
                    answer = connection.handle_request(self._origin.request(sent))
                    try:
                        is_packed = incoming.begin(answer.status, answer.headers)
                        parts = answer.iter_stream()
                        for part in unpacked(answer.headers, parts) if is_packed else parts:
                            incoming.feed(part)
                    finally:
                        answer.close()
            finally:
                self._stack.put(connection)
        finally:
            self._places.release()
            for outdated in self._stack.outdated():
                outdated.close()

    def close(self) -> None:
        """Close every connection."""
        for connection in self._stack.all():
            connection.close()


class AsyncConnections:
    """Connections for the tasks of one loop: `most` at once, idle ones for `keepalive` seconds."""

    def __init__(self, address: Address, *, most: int, keepalive: float) -> None:
        self._origin = _Origin(address)
        origin, verify, backend = self._origin.value, address.verify, _Backend()

        def make() -> httpcore2.AsyncHTTPConnection:
            return httpcore2.AsyncHTTPConnection(origin, verify, keepalive_expiry=keepalive, network_backend=backend)

        self._stack: Stack[httpcore2.AsyncHTTPConnection] = Stack(make, keepalive)
        self._places = asyncio.Semaphore(most)

    async def exchange(self, sent: Outgoing, incoming: Incoming) -> None:
        """Make one request, and feed its answer to `incoming`."""
        async with self._places:
            connection = self._stack.take()
            try:
                with _in_words_of_httpx():
                    answer = await connection.handle_async_request(self._origin.request(sent))
                    try:
                        is_packed = incoming.begin(answer.status, answer.headers)
                        parts = answer.aiter_stream()
                        async for part in unpacked_async(answer.headers, parts) if is_packed else parts:
                            incoming.feed(part)
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


class _Backend(httpcore2.AsyncNetworkBackend):
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
            raise httpcore2.ConnectError(str(error)) from error
        return stream


class _Stream(asyncio.Protocol, httpcore2.AsyncNetworkStream):
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
            raise httpcore2.ReadError(str(self._error)) from self._error
        return b""

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if not self._transport.is_closing():
            self._transport.write(buffer)
            if self._writer is not None:
                await self._writer
        if self._transport.is_closing():
            raise httpcore2.WriteError(str(self._error or "the connection is closed"))

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
                raise httpcore2.ConnectError(str(error)) from error
            raise
        if secure is None:
            raise httpcore2.ConnectError("the connection was closed")
        self._transport = secure
        return self

    async def aclose(self) -> None:
        self._transport.abort()  # what is left of a request that was cancelled is not sent

    def get_extra_info(self, info: str) -> Any:
        # What comes on an idle connection is no answer to the next request: a farewell, or the end.
        return bool(self._parts or self._over) if info == "is_readable" else None


@contextmanager
def _in_words_of_httpx() -> Generator[None]:
    """Raise httpcore2's errors as httpx's of the same name: they mean the same."""
    try:
        yield
    except Exception as error:
        kind = type(error)
        same: Any = getattr(httpx, kind.__name__, None) if kind.__module__.startswith("httpcore2") else None
        if same is None:
            raise
        raise same(str(error)) from error
