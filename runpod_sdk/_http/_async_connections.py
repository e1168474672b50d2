"""Our own connections to the client's one origin, for asyncio; same rules as `_connections.py`.

Each is a protocol of asyncio's, which hands what comes to the parser at once. It keeps the limit of its request by one
timer for many of them: one that is set for each costs more than reading the answer.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import httpx

from runpod_sdk.clock._base import LATE_MAX

from ._addresses import STAGGER, Resolver, socket_to
from ._connections import PIECE, parts_of
from ._parsers import parser_class
from ._sockets import is_readable, unreachable
from ._stack import Stack

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence
    from concurrent.futures import Future

    from runpod_sdk._values._hidden import Hidden

    from ._addresses import SocketAddress
    from ._message import Address, Transfer
    from ._parsing import Parser


class AsyncConnection(asyncio.Protocol):
    """One connection, which carries one request at a time."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._descriptor = -1
        self._is_clean = True
        self._is_new_to_tls = False
        self._parser: Parser | None = None
        self._answered: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._until = 0.0
        self._is_extended = False
        self._timer: asyncio.TimerHandle | None = None

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(PIECE)
        self._descriptor = transport.get_extra_info("socket").fileno()
        self._is_new_to_tls = transport.get_extra_info("ssl_object") is not None

    def data_received(self, data: bytes) -> None:
        parser = self._parser
        if parser is None:  # nobody has asked
            self.close()
        elif parser.is_complete:
            parser.is_reusable = False
        else:
            try:
                parser.feed(data)
            except Exception as error:  # noqa: BLE001  raised in the task that waits for the answer
                self._end(error)
            else:
                if parser.is_complete:
                    self._end(None)

    def eof_received(self) -> None:
        parser = self._parser
        if parser is not None and not parser.is_complete:
            try:
                parser.end()
            except Exception as error:  # noqa: BLE001  as above
                self._end(error)
            else:
                self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        error = httpx.ReadError(str(exc or "the connection was closed"))
        error.__cause__ = exc
        self._end(error)

    def pause_writing(self) -> None:
        self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    def _set_limit(self, until: float) -> None:
        """Have its request end then; a timer that is set for earlier looks again."""
        self._until, self._is_extended = until, False
        if self._timer is not None and self._timer.when() > until:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = self._loop.call_at(until, self._ring)

    def _ring(self) -> None:
        """End its request, if time is up. A loop that comes late reads first what came meanwhile, as `Limit` says."""
        now, self._timer = self._loop.time(), None
        if self._answered is None:
            return
        if now >= self._until and not self._is_extended:
            self._until, self._is_extended = now + min(now - self._until, LATE_MAX), True
        elif now >= self._until:
            self._end(TimeoutError())
            return
        self._timer = self._loop.call_at(self._until, self._ring)

    def _end(self, error: Exception | None) -> None:
        """Let the task that carries a request go on: the answer is complete, or none will be."""
        answered = self._answered
        if answered is not None and not answered.done():
            if error is None:
                answered.set_result(None)
            else:
                answered.set_exception(error)
        self.resume_writing()

    # What tasks call.

    @property
    def is_clean(self) -> bool:
        """Whether nothing is left of the last request, and nothing came since that the loop has read."""
        return self._is_clean and not self._transport.is_closing()

    @property
    def is_silent(self) -> bool:
        """Whether nothing came that the loop has not read yet; after its handshake, TLS has news of its own."""
        return self._is_new_to_tls or not is_readable(self._descriptor)

    async def carry(self, transfer: Transfer, head: Hidden[bytes], parser: Parser) -> None:
        """Write a request, and wait for its answer."""
        self._is_clean = self._is_new_to_tls = False
        answered = self._loop.create_future()
        self._parser, self._answered = parser, answered
        self._set_limit(self._loop.time() + transfer.seconds)
        try:
            transfer.stage = "while sending"
            parts = parts_of(head, transfer.content)
            self._write(transfer, parts[0])
            for part in parts[1:]:
                await self._write_large(transfer, part, answered)
            if not answered.done():
                transfer.stage = "waiting for the answer"
            await answered
            is_sent = transfer.sent == sum(map(len, parts)) and not self._transport.get_write_buffer_size()
            self._is_clean = is_sent and parser.is_reusable
        finally:
            self._parser = self._answered = None
            if answered.done() and not answered.cancelled():
                answered.exception()  # nobody else may ask for it

    def _write(self, transfer: Transfer, view: memoryview) -> None:
        if self._transport.is_closing():
            raise httpx.WriteError("the connection was closed")
        transfer.sent += len(view)
        self._transport.write(view)

    async def _write_large(self, transfer: Transfer, view: memoryview, answered: asyncio.Future[None]) -> None:
        """Write a body piece by piece, until it is answered."""
        while view and not answered.done():
            self._write(transfer, view[:PIECE])
            view = view[PIECE:]
            if self._writable is not None and not answered.done():
                await self._writable

    def close(self) -> None:
        """Close it; may be called twice. What is left of a request that was broken off is not sent."""
        self._is_clean = False
        self._transport.abort()
        if self._timer is not None:
            self._timer.cancel()

    abort = close


class AsyncConnections:
    """Connections for the tasks of one loop: `most` at once, idle ones for `keepalive` seconds."""

    def __init__(self, address: Address, *, most: int, keepalive: float) -> None:
        self._address = address
        self._verify = address.verify
        self._resolver = Resolver(address.host, address.port)
        self._stack: Stack[AsyncConnection] = Stack(keepalive)
        self._places = asyncio.Semaphore(most)
        self._parser = parser_class()

    async def carry(self, transfer: Transfer) -> None:
        """Make one request, count what is sent of it, and feed it its answer."""
        transfer.sent = 0
        transfer.stage = "in line for a connection"
        if self._places.locked():
            async with transfer.limit():
                await self._places.acquire()
        else:
            await self._places.acquire()
        try:
            connection = self._stack.take()
            if connection is None:
                transfer.stage = "while connecting"
                async with transfer.limit():
                    connection = await self._opened(transfer.seconds)
                self._stack.add(connection)
            try:
                transfer.check_time()
                await connection.carry(transfer, self._address.head(transfer), self._parser(transfer))
            finally:
                self._stack.put(connection)
        finally:
            self._places.release()

    async def _opened(self, seconds: float) -> AsyncConnection:
        loop = asyncio.get_running_loop()
        try:
            addresses = await _looked_up(self._resolver, loop)
        except (OSError, UnicodeError) as error:  # a name that cannot be one is a UnicodeError
            raise unreachable([error]) from error
        opened = await connected(addresses, loop)
        tls: dict[str, Any] = {}
        if self._verify is not None:
            # The limit of the request ends the handshake; asyncio's own may not do so before.
            tls = {"ssl": self._verify, "server_hostname": self._address.host, "ssl_handshake_timeout": seconds + 60.0}
        try:
            _, connection = await loop.create_connection(AsyncConnection, sock=opened, **tls)
        except BaseException as error:
            opened.close()
            if isinstance(error, OSError):
                raise httpx.ConnectError(str(error) or "the connection was closed") from error
            raise
        if connection.is_clean and connection.is_silent:
            return connection
        connection.close()
        raise httpx.ConnectError("the server closed the connection, or sent data before the request")

    async def close(self) -> None:
        """Close every connection."""
        self._stack.close()


async def _looked_up(resolver: Resolver, loop: asyncio.AbstractEventLoop) -> list[SocketAddress]:
    """Return the addresses of the host. If one caller is cancelled, the lookup goes on for the others."""
    found = resolver.lookup()
    if not found.done():
        arrived = asyncio.Event()

        def tell(_: Future[list[SocketAddress]]) -> None:
            with suppress(RuntimeError):  # the loop is closed: nobody in it waits any more
                loop.call_soon_threadsafe(arrived.set)

        found.add_done_callback(tell)
        await arrived.wait()
    return found.result()


async def connected(addresses: Sequence[SocketAddress], loop: asyncio.AbstractEventLoop) -> socket.socket:
    """Return a socket that is connected to whichever of these addresses answers first.

    Raises:
        httpx.ConnectError: none can be reached.
    """
    if len(addresses) == 1:
        try:
            return await _tried(addresses[0], loop)
        except OSError as error:
            raise unreachable([error]) from error
    trying: set[asyncio.Task[socket.socket]] = set()
    problems: list[BaseException] = []
    try:
        for place, address in enumerate(addresses, 1):
            trying.add(asyncio.ensure_future(_tried(address, loop)))
            while trying:
                patience = STAGGER if place < len(addresses) else None
                done, _ = await asyncio.wait(trying, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    trying.discard(task)
                    problem = task.exception()
                    if problem is None:
                        return task.result()
                    problems.append(problem)
                if patience is not None:
                    break
    finally:
        for task in trying:
            task.add_done_callback(_drop)
            task.cancel()
    raise unreachable(problems)


async def _tried(address: SocketAddress, loop: asyncio.AbstractEventLoop) -> socket.socket:
    made = socket_to(address)
    try:
        await loop.sock_connect(made, address.where)
    except BaseException:
        made.close()
        raise
    return made


def _drop(task: asyncio.Task[socket.socket]) -> None:
    """Close the socket of an attempt that came second."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()
