"""Our own connections to the client's one origin, for threads; `_async_connections.py` has those for asyncio.

A request has one limit: over its place among the connections, the lookup of the name, all addresses, TLS, and each byte
that is written or read. Nobody blocks in a socket, so an answer that comes before the request is out is read.

What is written is counted before, and corrected when the socket has taken less: an interruption finds no less than what
has left. Errors are httpx's. Nothing here sends a request twice.
"""

from __future__ import annotations

from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

import httpx

from ._addresses import Resolver
from ._errors import Passing
from ._message import TooLateError
from ._parsers import parser_class
from ._signals import from_outside
from ._sockets import Limit, connected, is_readable, looked_up, ready, secured
from ._stack import Stack

if TYPE_CHECKING:
    import socket

    from runpod_sdk._values._hidden import Hidden

    from ._message import Address, Transfer
    from ._parsing import Parser

# How much is written at once, and read at once, bytes; ours.
PIECE, READ = 2**18, 2**16


def parts_of(head: Hidden[bytes], content: Hidden[bytes | None]) -> list[memoryview]:
    """Return a request in parts to be written: one for a small one. A view shows nothing of what it is of."""
    if len(content.reveal() or b"") <= READ:
        return [memoryview(head.reveal() + (content.reveal() or b""))]
    return [memoryview(head.reveal()), memoryview(content.reveal() or b"")]


class Connection:
    """One connection, which carries one request at a time.

    Args:
        opened: its socket, which does not block.
        blocked: what the socket raises where it would block.
        is_exact: whether the socket has sent nothing of what it raised for.
    """

    def __init__(
        self, opened: socket.socket, blocked: tuple[type[OSError], ...] = (BlockingIOError,), *, is_exact: bool = True
    ) -> None:
        self._socket = opened
        self._descriptor = opened.fileno()
        self._blocked = blocked
        self._is_exact = is_exact
        self._is_clean = True

    @property
    def is_clean(self) -> bool:
        """Whether nothing is left of the last request."""
        return self._is_clean

    @property
    def is_silent(self) -> bool:
        """Whether nothing came since."""
        return not is_readable(self._descriptor)

    def check_silence(self) -> None:
        """Refuse a new connection on which the server speaks first: what it says would be taken for an answer.

        Raises:
            httpx.ConnectError: it does, or it has closed already.
        """
        try:
            said = self._socket.recv(1)
        except self._blocked:  # as it should be; and TLS has read the news of its own
            return
        except OSError as error:
            raise httpx.ConnectError(str(error)) from error
        raise httpx.ConnectError("the server " + ("sent data before the request" if said else "closed the connection"))

    def carry(self, transfer: Transfer, head: Hidden[bytes], parser: Parser, limit: Limit) -> None:
        """Write a request, and read its answer."""
        self._is_clean = False
        transfer.stage = "while sending"
        parts = parts_of(head, transfer.content)
        try:
            is_sent = all(self._write(part, transfer, parser, limit) for part in parts)
        except httpx.WriteError:
            if transfer.sent == 0:
                raise
            is_sent = False  # the server may have answered before it hung up
        transfer.stage = "waiting for the answer"
        while not parser.is_complete:
            self._read(parser, limit)
        self._is_clean = is_sent and parser.is_reusable

    def _write(self, view: memoryview, transfer: Transfer, parser: Parser, limit: Limit) -> bool:
        """Write a part of a request; return whether all of it was written before the answer was complete."""
        while view:
            count = self._send(view[:PIECE], transfer)
            view = view[count:]
            if not count:
                left = limit.left
                if left <= 0:
                    raise httpx.WriteTimeout("timed out")
                if ready([self._descriptor], [self._descriptor], left).readable:
                    self._take(parser)
                    if parser.is_complete:
                        return False
        return True

    def _send(self, piece: memoryview, transfer: Transfer) -> int:
        """Write what the socket takes, and count it; 0 if it takes nothing now."""
        before = transfer.sent
        transfer.sent = before + len(piece)
        try:
            count = self._socket.send(piece)
        except self._blocked:
            if self._is_exact:
                transfer.sent = before
            return 0
        except OSError as error:
            if from_outside(error) is not None:
                raise
            if self._is_exact:
                transfer.sent = before
            raise httpx.WriteError(str(error)) from error
        transfer.sent = before + count
        return count

    def _read(self, parser: Parser, limit: Limit) -> None:
        """Wait for a part of the answer, and read it."""
        left = limit.left
        if self._is_exact or not self._take(parser):  # TLS may have read it already
            if left <= 0 or not ready([self._descriptor], [], left).readable:
                raise httpx.ReadTimeout("timed out")
            self._take(parser)
        elif left <= 0 and not parser.is_complete:
            raise httpx.ReadTimeout("timed out")

    def _take(self, parser: Parser) -> bool:
        """Read what is there; return whether that was something."""
        try:
            data = self._socket.recv(READ)
        except self._blocked:
            return False
        except OSError as error:
            raise httpx.ReadError(str(error)) from error
        if data:
            parser.feed(data)
        else:
            parser.end()
        return True

    def close(self) -> None:
        """Close it; may be called twice."""
        self._is_clean = False
        self._socket.close()

    def abort(self) -> None:
        """End what it is carrying. Whoever uses it closes it, since a closed descriptor may be another's at once."""
        import socket  # noqa: PLC0415  named here alone

        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)


class Connections:
    """Connections for threads: `most` at once, idle ones for `keepalive` seconds."""

    def __init__(self, address: Address, *, most: int, keepalive: float) -> None:
        self._address = address
        self._verify = address.verify
        self._resolver = Resolver(address.host, address.port)
        self._stack: Stack[Connection] = Stack(keepalive)
        # No semaphore: its locks are taken in Python, and what an alarm raises there leaves them taken for good.
        self._places: SimpleQueue[None] = SimpleQueue()
        for _ in range(most):
            self._places.put(None)
        self._parser = parser_class()

    def carry(self, transfer: Transfer) -> None:
        """Make one request, count what is sent of it, and feed it its answer."""
        transfer.sent = 0
        transfer.stage = "in line for a connection"
        seconds = transfer.seconds
        limit = Limit(seconds)
        try:
            self._places.get(timeout=max(0.0, seconds))
        except Empty:
            raise httpx.PoolTimeout("every connection is in use") from None
        try:
            connection = self._stack.take()
            if connection is None:
                transfer.stage = "while connecting"
                connection = self._opened(limit)
                self._stack.add(connection)
            try:
                transfer.check_time()
                connection.carry(transfer, self._address.head(transfer), self._parser(transfer), limit)
            finally:
                self._stack.put(connection)
        except TimeoutError as error:
            # Not the system's, which has a number, and not ours: a limit that somebody sets this thread, or greenlet.
            if error.errno is None and not isinstance(error, TooLateError):
                raise Passing(error) from None
            raise
        finally:
            self._places.put(None)

    def _opened(self, limit: Limit) -> Connection:
        opened = connected(looked_up(self._resolver, max(0.0, limit.left)), limit)
        if self._verify is None:
            connection = Connection(opened)
        else:
            import ssl  # noqa: PLC0415  15 ms that plain connections need not pay

            secure = secured(opened, self._verify, self._address.host, limit)
            connection = Connection(secure, (ssl.SSLWantReadError, ssl.SSLWantWriteError), is_exact=False)
        try:
            connection.check_silence()
        except BaseException:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        """Close every connection."""
        self._stack.close()
