"""Connections to the one origin that a client calls, for threads; those for tasks are in `_async_connections.py`.

The HTTP is that of httpcore, the library under httpx. Decided here is which connection carries a request: with one
origin, the one that was used last, so a stack does. httpcore's own pool looks through all its connections for each
request, and hands one to many tasks (docs/transports.md).

Errors are httpx's: ConnectError, ConnectTimeout and PoolTimeout are raised only where not one byte of the request has
left. Nothing here repeats a request.
"""

from __future__ import annotations

import threading
from collections import deque
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, cast

import httpcore
import httpx

from ._deadlines import Bounded
from ._message import unpacked
from ._trace import Trace

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from ._message import Address, Transfer


class _Connection(Protocol):
    """What httpcore's connections of both kinds tell of themselves."""

    def has_expired(self) -> bool: ...

    def is_available(self) -> bool: ...


C = TypeVar("C", bound=_Connection)


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


class Origin:
    """A service as httpcore writes it."""

    def __init__(self, address: Address) -> None:
        url = httpx.URL(address.base_url)
        self._scheme, self._host, self._port = url.raw_scheme, url.raw_host, url.port
        self._prefix = url.raw_path.rstrip(b"/")
        self._netloc = url.netloc

    @property
    def value(self) -> httpcore.Origin:
        """The origin alone."""
        return httpcore.Origin(self._scheme, self._host, self._port or (443 if self._scheme == b"https" else 80))

    def request(self, transfer: Transfer, trace: object) -> httpcore.Request:
        """Return a request."""
        headers = {b"host": self._netloc}
        if transfer.method != "GET":
            headers[b"content-length"] = b"%d" % len(transfer.content.reveal() or b"")
        for name, text in transfer.headers.reveal().items():
            headers[name.encode()] = text.encode()
        target = self._prefix + transfer.target.reveal().encode()
        limit = transfer.timeout
        return httpcore.Request(
            transfer.method,
            httpcore.URL(scheme=self._scheme, host=self._host, port=self._port, target=target),
            headers=list(headers.items()),
            content=transfer.content.reveal(),
            extensions={"timeout": {"connect": limit, "read": limit, "write": limit}, "trace": trace},
        )


class Connections:
    """Connections for threads: `most` at once, idle ones for `keepalive` seconds."""

    def __init__(self, address: Address, *, most: int, keepalive: float) -> None:
        self._origin = Origin(address)
        origin, verify = self._origin.value, address.verify
        backend = cast("httpcore.NetworkBackend", Bounded(httpcore.SyncBackend()))

        def make() -> httpcore.HTTPConnection:
            return httpcore.HTTPConnection(origin, verify, keepalive_expiry=keepalive, network_backend=backend)

        self._stack: Stack[httpcore.HTTPConnection] = Stack(make, keepalive)
        self._places = threading.BoundedSemaphore(most)

    def carry(self, transfer: Transfer) -> None:
        """Make one request, and feed it its answer."""
        trace = Trace(transfer, tells=True)
        if not self._places.acquire(timeout=transfer.timeout):
            raise httpx.PoolTimeout("every connection is in use")
        try:
            connection = self._stack.take()
            try:
                with in_words_of_httpx():
                    answer = connection.handle_request(self._origin.request(transfer, trace.note))
                    try:
                        is_packed = transfer.begin(answer.status, answer.headers)
                        parts = answer.iter_stream()
                        for part in unpacked(answer.headers, parts) if is_packed else parts:
                            transfer.feed(part)
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


@contextmanager
def in_words_of_httpx() -> Generator[None]:
    """Raise httpcore's errors as httpx's of the same name: they mean the same."""
    try:
        yield
    except Exception as error:
        kind = type(error)
        same: Any = getattr(httpx, kind.__name__, None) if kind.__module__.startswith("httpcore") else None
        if same is None:
            raise
        raise same(str(error)) from error
