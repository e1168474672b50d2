"""Which idle connection carries the next request: the one used last.

It holds no sockets of its own, and waits for nobody; how many there may be at once is up to those who take them.
"""

from __future__ import annotations

import threading
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable


class Reusable(Protocol):
    """What connections of both kinds tell of themselves."""

    @property
    def is_clean(self) -> bool:
        """Whether nothing is left of its last request."""
        ...

    @property
    def is_silent(self) -> bool:
        """Whether nothing came since; asked for where it is about to carry the next."""
        ...

    def close(self) -> None:
        """Close it; may be called twice."""
        ...

    def abort(self) -> None:
        """End what it is carrying. Safe while another thread uses it."""
        ...


C = TypeVar("C", bound=Reusable)


class Stack(Generic[C]):
    """The connections of one pool, the one that was used last on top. Idle ones are kept for `keepalive` seconds."""

    def __init__(self, keepalive: float) -> None:
        self._keepalive = keepalive
        self._lock = threading.Lock()
        self._busy: set[C] = set()
        self._idle: deque[tuple[float, C]] = deque()
        self._is_closed = False

    def take(self) -> C | None:
        """Return a connection for one request, if one is idle and good."""
        over: list[C] = []
        try:
            with self._lock:
                while self._idle:
                    since, connection = self._idle.pop()
                    if since >= monotonic() - self._keepalive and connection.is_clean and connection.is_silent:
                        self._busy.add(connection)
                        return connection
                    over.append(connection)
            return None
        finally:
            _close(over)

    def add(self, connection: C) -> None:
        """Take note of a new connection, which is in use.

        Raises:
            RuntimeError: all were closed meanwhile.
        """
        with self._lock:
            if not self._is_closed:
                self._busy.add(connection)
                return
        connection.close()
        raise RuntimeError("the client is closed")

    def put(self, connection: C) -> None:
        """Take a connection back after its request, whatever came of that."""
        over: list[C] = []
        now = monotonic()
        with self._lock:
            self._busy.discard(connection)
            if connection.is_clean and not self._is_closed:
                self._idle.append((now, connection))
            else:
                over.append(connection)
            while self._idle and self._idle[0][0] < now - self._keepalive:
                over.append(self._idle.popleft()[1])
        _close(over)

    def close(self) -> None:
        """Close all; those in use end what they carry."""
        with self._lock:
            self._is_closed = True
            idle, self._idle = self._idle, deque()
            busy, self._busy = self._busy, set()
        _close(connection for _, connection in idle)
        for connection in busy:
            connection.abort()


def _close(connections: Iterable[Reusable]) -> None:
    for connection in connections:
        connection.close()
