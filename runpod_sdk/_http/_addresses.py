"""Resolves the service's host name, orders its addresses, and opens sockets to them.

A lookup runs in a thread of its own, since the system's resolver takes as long as it likes. It may outlive the request
that asked for it, and then serves the next.
"""

from __future__ import annotations

import socket
import sys
import threading
from concurrent.futures import Future
from contextlib import suppress
from ipaddress import IPv4Address, ip_address
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

# The next address is tried this long after the one before, seconds, while that may still answer. RFC 8305, 5.
STAGGER = 0.25
# TCP asks a far side that is silent whether it is still there: every so many seconds, and where no answer comes, again
# so soon, so many times; ours. It keeps the connection in the tables of what is in between, and shows when it is gone.
KEEPALIVE_IDLE, KEEPALIVE_INTERVAL, KEEPALIVE_COUNT = 30, 10, 3


class SocketAddress(NamedTuple):
    """One address, as `socket.getaddrinfo` writes it."""

    family: int
    kind: int
    protocol: int
    name: str
    where: Any


class Resolver:
    """Looks up one host."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._lock = threading.Lock()
        self._pending: Future[list[SocketAddress]] | None = None

    def lookup(self) -> Future[list[SocketAddress]]:
        """Return its addresses, as a future that all who ask meanwhile share."""
        literal = self._literal()
        if literal is not None:
            future: Future[list[SocketAddress]] = Future()
            future.set_result(literal)
            return future
        with self._lock:
            if self._pending is not None:
                return self._pending
            future = self._pending = Future()
        try:
            threading.Thread(target=self._look, args=(future,), name="runpod-sdk-lookup", daemon=True).start()
        except RuntimeError as error:
            if "shutdown" in str(error):  # Python ends, and starts no more threads
                self._look(future)
            else:
                self._pending = None
                future.set_exception(OSError(str(error)))
        return future

    def _literal(self) -> list[SocketAddress] | None:
        try:
            address = ip_address(self._host)
        except ValueError:
            return None
        if isinstance(address, IPv4Address):
            return [SocketAddress(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (self._host, self._port))]
        flags = socket.AI_NUMERICHOST  # the number of a scope is the system's to know
        return self._asked(flags)

    def _asked(self, flags: int = 0) -> list[SocketAddress]:
        found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM, flags=flags)
        return interleaved([SocketAddress(*each) for each in found])

    def _look(self, future: Future[list[SocketAddress]]) -> None:
        try:
            found = self._asked()
        except BaseException as error:  # noqa: BLE001  raised where it is asked for
            self._pending = None
            future.set_exception(error)
        else:
            self._pending = None
            future.set_result(found)


def interleaved(addresses: Sequence[SocketAddress]) -> list[SocketAddress]:
    """Return addresses in the order given, but so that the two families take turns. RFC 8305, 4."""
    first = [each for each in addresses if each.family == addresses[0].family]
    other = [each for each in addresses if each.family != addresses[0].family]
    return [each for each in chain.from_iterable(zip_longest(first, other)) if each is not None]


def socket_to(address: SocketAddress) -> socket.socket:
    """Return a socket for an address, not connected, that does not block.

    Raises:
        OSError: there is none.
    """
    made = socket.socket(address.family, address.kind, address.protocol)
    try:
        made.setblocking(False)
        for level, option, value in socket_options():
            with suppress(OSError):  # not every kind of socket knows each
                made.setsockopt(level, option, value)
    except BaseException:
        made.close()
        raise
    return made


def socket_options() -> list[tuple[int, int, int]]:
    """Return what each of our connections is set to, as far as this system knows it."""
    idle = "TCP_KEEPALIVE" if sys.platform == "darwin" else "TCP_KEEPIDLE"
    wanted = {
        "TCP_NODELAY": 1,
        idle: KEEPALIVE_IDLE,
        "TCP_KEEPINTVL": KEEPALIVE_INTERVAL,
        "TCP_KEEPCNT": KEEPALIVE_COUNT,
    }
    known = [(getattr(socket, name), value) for name, value in wanted.items() if hasattr(socket, name)]
    return [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1), *((socket.IPPROTO_TCP, *each) for each in known)]
